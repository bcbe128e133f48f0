package delivery

import (
	"context"
	"strings"
	"time"
)

// Source identifies who delivers a batch. Whatever an exporter remembers of the data it has sent, to save work or to recognize
// repetitions, belongs to one source: a replay job sends old values through the same exporter as live delivery sends new ones. [PerSource]
// keeps these memories separate.
type Source string

// The sources other than [JobSource]. Live delivery of several groups never shares an exporter.
const (
	// Direct: there is no journal upstream.
	Direct Source = "direct"
	// Live: a follower of the journal delivers.
	Live Source = "live"
)

const jobPrefix = "job/"

// JobSource is the source of the replay job id that was created at that time. A job that is cancelled and created again under the same id
// is another source; a job that is paused, or continues in another process, is the same one.
func JobSource(id string, made time.Time) Source {
	return Source(jobPrefix + id + "@" + made.UTC().Format(time.RFC3339Nano))
}

// Job returns the id of the replay job; ok is false if s is not a job.
func (s Source) Job() (id string, ok bool) {
	id, ok = strings.CutPrefix(string(s), jobPrefix)
	if at := strings.LastIndexByte(id, '@'); ok && at >= 0 {
		id = id[:at]
	}
	return id, ok
}

// RangePart names a batch of a recorded range. Whenever the range is delivered, the batch with the same RangePart has the same
// records, so what is written under that name replaces what was.
type RangePart struct {
	Bounds
	// Index among the batches of the range.
	Index int
}

// Delivery describes where a batch comes from. It is part of the context, from which [Of] returns it. The zero value describes a batch
// without a journal upstream: all its methods work and cost nothing.
type Delivery struct {
	// Session is the session of the partition that the batch came from; nil without a journal upstream.
	Session *Session
	// Part identifies the batch; nil if ranges are not recorded.
	Part *RangePart
	// At is the record from which the batch was made, if a component requires one batch per record: see [Session.ByRecord]. Else nil.
	At *At
	// Outcome is where components report the items of the batch that they refuse; nil if nothing counts them.
	Outcome *Outcome
	// Account is the range's account, for the driver: see [Account.Batch]. It is nil if no ledger is kept.
	Account *Account
	// Attempts is called for each attempt to send the batch, from many goroutines; it may be nil.
	Attempts func(exporter string, err error)
	// Aside stores output that a sink refuses for one tenant, so that it does not delay other tenants; nil if nothing can store it.
	Aside Aside
}

// At identifies a record of the journal.
type At struct {
	Offset int64
	// Time is when the record was written.
	Time time.Time
	// Whole: the batch has all items of the record. A job may select only some.
	Whole bool
}

// Aside is where an exporter puts output of a single tenant that its sink has refused for longer than it may delay other tenants. It is
// safe for concurrent use.
type Aside interface {
	// Keep returns when l is durable. After an error it may not be, and the exporter has to keep the data.
	Keep(ctx context.Context, l Letter) error
	// Waiting returns some of the tenants whose records wait to be delivered. It may query the journal.
	Waiting(ctx context.Context) []string
}

// Letter is output that was set aside.
type Letter struct {
	// By is the exporter's id; Reason is one of its enumerated reasons, as in its counter; Cause is the sink's answer.
	By, Reason, Cause string
	Tenant            string
	// Request is an encoded OTLP export request of the pipeline's signal.
	Request []byte
}

type deliveryKey struct{}

// In returns a context for d's batch.
func (d Delivery) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, deliveryKey{}, d)
}

// Of returns the delivery that ctx's batch belongs to.
func Of(ctx context.Context) Delivery {
	d, _ := ctx.Value(deliveryKey{}).(Delivery)
	return d
}

// With returns a context for batches of s's partition, and for Flush. It keeps the other fields of ctx's delivery.
func With(ctx context.Context, s *Session) context.Context {
	d := Of(ctx)
	d.Session = s
	return d.In(ctx)
}

// From returns the session of the partition from which ctx's batch came; ok is false without a journal upstream.
func From(ctx context.Context) (s *Session, ok bool) {
	s = Of(ctx).Session
	return s, s != nil
}

// Source identifies who delivers.
func (d Delivery) Source() Source {
	if d.Session == nil {
		return Direct
	}
	return d.Session.Source()
}

// SpreadBy returns the attributes by which streams are spread over partitions, see [Settings]; nothing without a journal upstream.
func (d Delivery) SpreadBy() []string {
	if d.Session == nil {
		return nil
	}
	return d.Session.SpreadBy()
}

// Attempted reports the result of an attempt to send the batch to the driver: nil if the sink has answered, even with a permanent refusal;
// an error if the sink can't be reached or can't accept anything now. An exporter retries without end, and without these reports the
// driver would not know why it waits. listening is false if there is no driver.
func (d Delivery) Attempted(exporter string, err error) (listening bool) {
	if d.Attempts == nil {
		return false
	}
	d.Attempts(exporter, err)
	return true
}
