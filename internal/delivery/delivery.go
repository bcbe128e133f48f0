package delivery

import (
	"context"
	"strings"
	"time"
)

// Source says who delivers a batch. Whatever an exporter remembers of what it sent, to spare work or to tell a repetition, belongs to one
// source: a replay job sends old values while live delivery sends new ones, through the same exporter. [PerSource] keeps it so.
type Source string

// The sources beside [JobSource]. The live ones of several groups don't share an exporter.
const (
	// Direct: no journal stands upstream.
	Direct Source = "direct"
	// Live: a follower of the journal delivers.
	Live Source = "live"
)

const jobPrefix = "job/"

// JobSource is the source of the replay job id that was made at that time. A job that is cancelled and made again under the same id is another
// source; one that is paused, or goes on in another process, is the same.
func JobSource(id string, made time.Time) Source {
	return Source(jobPrefix + id + "@" + made.UTC().Format(time.RFC3339Nano))
}

// Job returns the id of the replay job that s is; ok is false where s is none.
func (s Source) Job() (id string, ok bool) {
	id, ok = strings.CutPrefix(string(s), jobPrefix)
	if at := strings.LastIndexByte(id, '@'); ok && at >= 0 {
		id = id[:at]
	}
	return id, ok
}

// Part names a batch of a recorded range. Whenever the range is delivered, the batch with the same Part has the same
// records, so what is written under that name replaces what was.
type Part struct {
	Bounds
	// Index among the batches of the range.
	Index int
}

// Delivery says what a batch belongs to. It travels in the context, [Of] finds it there. The zero value is the delivery of a batch without a
// journal upstream: all its methods work and cost nothing.
type Delivery struct {
	// Session is the one of the partition that the batch came from; nil without a journal upstream.
	Session *Session
	// Part names the batch; nil where ranges are not recorded.
	Part *Part
	// At is the record that the batch is made of, where a component asks for that: see [Session.ByRecord]. Else nil.
	At *At
	// Outcome is where components report what they refuse of the batch; nil where nobody counts.
	Outcome *Outcome
	// Account is the range's, for the driver: see [Account.Batch]. It is nil where no ledger is kept.
	Account *Account
	// Attempts is told of each attempt to send the batch, from many goroutines; nil where nobody listens.
	Attempts func(exporter string, err error)
	// Aside keeps what a sink does not take of one tenant, so that it doesn't hold up the others; nil where nothing can be kept.
	Aside Aside
}

// At is a record of the journal.
type At struct {
	Offset int64
	// Time is when the record was written.
	Time time.Time
	// Whole: the batch has all items of the record. A job may select some.
	Whole bool
}

// Aside is where an exporter puts what its sink refuses, for longer than it may hold up others, of a single tenant. It is safe for concurrent use.
type Aside interface {
	// Keep returns when the letter is durable. An error means that it may not be: the exporter still has it.
	Keep(ctx context.Context, l Letter) error
	// Waiting returns tenants whose records wait for the delivery, some of them at most. It may ask the journal.
	Waiting(ctx context.Context) []string
}

// Letter is output that was set aside.
type Letter struct {
	// By is the exporter's id; Reason is one of its enumerated reasons, as in its counter; Cause is what the sink said.
	By, Reason, Cause string
	Tenant            string
	// Request is an encoded OTLP export request of the pipeline's signal.
	Request []byte
}

type deliveryKey struct{}

// In returns a context under which d's batch travels.
func (d Delivery) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, deliveryKey{}, d)
}

// Of returns the delivery that ctx's batch belongs to.
func Of(ctx context.Context) Delivery {
	d, _ := ctx.Value(deliveryKey{}).(Delivery)
	return d
}

// With returns a context under which batches of s's partition travel, for Flush too. What else ctx carries of a delivery stays.
func With(ctx context.Context, s *Session) context.Context {
	d := Of(ctx)
	d.Session = s
	return d.In(ctx)
}

// From returns the session of the partition that ctx's batch came from; ok is false without a journal upstream.
func From(ctx context.Context) (s *Session, ok bool) {
	s = Of(ctx).Session
	return s, s != nil
}

// Source says who delivers.
func (d Delivery) Source() Source {
	if d.Session == nil {
		return Direct
	}
	return d.Session.Source()
}

// SpreadBy returns what streams are spread over partitions by, see [Settings]; nothing without a journal upstream.
func (d Delivery) SpreadBy() []string {
	if d.Session == nil {
		return nil
	}
	return d.Session.SpreadBy()
}

// Attempted tells the driver what became of an attempt to send the batch: nil if the sink has answered, also if it refused for good; an error
// if the sink can't be reached or can't take anything now. An exporter retries for as long as it takes, and the driver would not know why it
// waits. heard is false where no driver listens.
func (d Delivery) Attempted(exporter string, err error) (heard bool) {
	if d.Attempts == nil {
		return false
	}
	d.Attempts(exporter, err)
	return true
}
