package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery"
)

// journal is a partition with its state topic, and the reports of a worker. A record is its text.
type journal struct {
	begin   int64
	records []string // from begin on
	topic   delivery.TopicID
	state   []delivery.StateRecord
	group   int64 // committed; -1: nothing

	recorded  bool
	inRange   int64 // records
	worker    *delivery.Worker
	stopAt    int64 // when all below it was delivered
	delivered []string
	parts     []string
	cuts      []delivery.Cut
	missing   []string
	lost      []delivery.Bounds
	restored  int64
	session   *delivery.Session
	failed    error
	patient   bool // failures are expected
	cancel    context.CancelFunc
	now       time.Time // zero: 1970
}

func (j *journal) end() int64 { return j.begin + int64(len(j.records)) }

func (j *journal) Start(context.Context) (int64, time.Time, error) {
	return j.begin, time.Unix(0, 0), nil
}
func (j *journal) End(context.Context) (int64, error)              { return j.end(), nil }
func (j *journal) Topic(context.Context) (delivery.TopicID, error) { return j.topic, nil }

func (j *journal) anchor(o int64) delivery.Anchor {
	return delivery.Anchor{Offset: o, Sum: delivery.AnchorSum(nil, []byte(j.records[o-j.begin]), time.Unix(o, 0))}
}

func (j *journal) Look(_ context.Context, o int64) (delivery.Anchor, bool, error) {
	if o < j.begin || o >= j.end() {
		return delivery.Anchor{}, false, nil
	}
	return j.anchor(o), true, nil
}

func (j *journal) Read(ctx context.Context, from int64) (delivery.Range, error) {
	from = max(from, j.begin)
	return j.ReadExactly(ctx, delivery.Bounds{First: from, Next: min(from+j.inRange, max(from, j.end()))})
}

func (j *journal) ReadExactly(_ context.Context, b delivery.Bounds) (delivery.Range, error) {
	if b.Next > j.end() && b.Next > b.First {
		return delivery.Range{}, fmt.Errorf("read %v of a log that ends at %d", b, j.end())
	}
	r := delivery.Range{Bounds: b, AtEnd: b.Next >= j.end()}
	for o := b.First; o < b.Next; o++ {
		r.Records = append(r.Records, delivery.Record{Offset: o, Time: time.Unix(o, 0), ID: delivery.RecordID([]byte(fmt.Sprintf("%016s", j.records[o-j.begin]))[:16]), Payload: j.records[o-j.begin]})
	}
	if b.Next > b.First {
		last := j.anchor(b.Next - 1)
		r.Last = &last
	}
	return r, nil
}

func (j *journal) Fence(context.Context) error { return nil }

func (j *journal) Load(_ context.Context, each func(delivery.StateRecord) error) (bool, error) {
	for _, r := range j.state {
		if err := each(r); err != nil {
			return false, err
		}
	}
	return len(j.state) == 0, nil
}

func (j *journal) Committed(context.Context) (int64, bool, error) { return j.group, j.group >= 0, nil }

func (j *journal) Save(_ context.Context, records []delivery.StateRecord) (int64, error) {
	first := int64(len(j.state))
	for i, r := range records {
		r.Offset = first + int64(i)
		j.state = append(j.state, r)
	}
	return first, nil
}

func (j *journal) Trim(context.Context, int64) error { return nil }
func (j *journal) Now() time.Time {
	if j.now.IsZero() {
		return time.Unix(0, 0)
	}
	return j.now
}

func (j *journal) Wait(ctx context.Context, _ time.Duration) error { return ctx.Err() }
func (j *journal) Restored(offset int64, _ bool)                   { j.restored = offset }
func (j *journal) Lost(b delivery.Bounds)                          { j.lost = append(j.lost, b) }
func (j *journal) Cut(c delivery.Cut)                              { j.cuts = append(j.cuts, c) }
func (j *journal) Missing(_ int64, why error)                      { j.missing = append(j.missing, why.Error()) }
func (j *journal) Checkpointed(next int64, _ int, _ time.Duration) { j.group = next }
func (j *journal) Unclaimed([]string)                              {}
func (j *journal) DeadLettered(int64, error)                       {}
func (j *journal) Failed(err error) {
	j.failed = err
	if j.cancel != nil {
		j.cancel()
	}
}
func (j *journal) Delivered(b delivery.Bounds, _ time.Time, _, _ int) {
	if b.Next >= j.stopAt {
		j.worker.Stop()
		j.stopAt = 1 << 62
	}
}

// run delivers until everything below until is delivered, and saves a checkpoint.
func (j *journal) run(t *testing.T, until int64) {
	t.Helper()
	j.delivered, j.parts, j.cuts, j.missing, j.lost, j.failed, j.stopAt = nil, nil, nil, nil, nil, nil, until
	j.worker = delivery.NewWorker(delivery.WorkerSettings{
		Label: "p", Log: j, Store: j, Clock: j, Observer: j, Interval: time.Hour, RecordRanges: j.recorded, DedupWindow: time.Hour, DedupMax: 1000,
		Deliver: func(ctx context.Context, b delivery.Bounds, records []delivery.Record) error {
			j.session, _ = delivery.From(ctx)
			for _, r := range records {
				j.delivered = append(j.delivered, r.Payload.(string))
			}
			if len(records) > 0 {
				j.parts = append(j.parts, fmt.Sprint(j.session.Generation(), b))
			}
			if len(records) == 0 && until <= j.restoredNext(ctx) {
				j.worker.Stop()
				j.stopAt = 1 << 62
			}
			return nil
		},
		Permanent: func(error) bool { return false },
	})
	require.NoError(t, j.worker.Run(t.Context()))
	if !j.patient {
		require.NoError(t, j.failed)
	}
}

func (j *journal) restoredNext(context.Context) int64 {
	next, begun := j.session.Resumed()
	if n := len(begun); n > 0 {
		return begun[n-1].Next - 1
	}
	return next
}

func texts(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(prefix, i))
	}
	return all
}

// TestAWorkerResumesBehindTheLastRecordThatTheLogHolds cuts logs of 100 delivered records, in ranges of 10.
func TestAWorkerResumesBehindTheLastRecordThatTheLogHolds(t *testing.T) {
	const was, is = 1, 2
	for name, c := range map[string]struct {
		change    func(j *journal)
		delivered []string // then, of everything that the log holds
		cut       *delivery.Cut
	}{
		"nothing":             {change: func(*journal) {}},
		"grown":               {change: func(j *journal) { j.records = append(j.records, "new") }, delivered: []string{"new"}},
		"trimmed":             {change: func(j *journal) { j.begin, j.records = 100, []string{"new"} }, delivered: []string{"new"}},
		"cut":                 {change: func(j *journal) { j.records = j.records[:95] }, cut: &delivery.Cut{Bounds: delivery.Bounds{First: 90, Next: 100}, Generation: 1}},
		"cut and grown again": {change: func(j *journal) { j.records = append(j.records[:95:95], texts("n", 20)...) }, delivered: texts("n", 20), cut: &delivery.Cut{Bounds: delivery.Bounds{First: 90, Next: 100}, Generation: 1}},
		"emptied":             {change: func(j *journal) { j.records = nil }, cut: &delivery.Cut{Bounds: delivery.Bounds{First: 0, Next: 100}, Generation: 1}},
		"made anew": {change: func(j *journal) { j.records, j.topic = texts("n", 150), delivery.TopicID{is} }, delivered: texts("n", 150),
			cut: &delivery.Cut{Bounds: delivery.Bounds{First: 0, Next: 100}, Generation: 1, Is: delivery.TopicID{is}}},
		"the same under another id": {change: func(j *journal) { j.topic = delivery.TopicID{is} }},
	} {
		for _, recorded := range []bool{false, true} {
			t.Run(fmt.Sprint(name, recorded), func(t *testing.T) {
				j := &journal{records: texts("r", 100), topic: delivery.TopicID{was}, group: -1, inRange: 10, recorded: recorded}
				j.run(t, 100)
				require.Equal(t, texts("r", 100), j.delivered)
				c.change(j)
				j.run(t, j.end())
				assert.Equal(t, c.delivered, j.delivered)
				if c.cut == nil {
					assert.Empty(t, j.cuts)
					return
				}
				want := *c.cut
				want.Was = delivery.TopicID{was}
				if want.Is == (delivery.TopicID{}) {
					want.Is = want.Was
				}
				assert.Equal(t, []delivery.Cut{want}, j.cuts)
				assert.EqualValues(t, 1, j.session.Generation())
				j.run(t, j.end())
				assert.Empty(t, j.cuts, "it is on record")
				assert.Empty(t, j.delivered)
				assert.EqualValues(t, 1, j.session.Generation())
			})
		}
	}
}

// A range that was begun may be delivered: if the log holds other records there, it isn't delivered again under its name.
func TestARecordedRangeThatIsGoneIsNotDeliveredUnderItsName(t *testing.T) {
	j := &journal{records: texts("r", 30), topic: delivery.TopicID{1}, group: -1, inRange: 10, recorded: true}
	j.run(t, 20)
	begun := len(j.state) // the checkpoint that the next run saves first records [20, 30)
	j.run(t, 30)
	require.Equal(t, texts("r", 30)[20:], j.delivered)
	j.state = j.state[:begun+2] // and the process dies before it saves another

	again := *j
	again.state = append([]delivery.StateRecord(nil), j.state...)
	again.run(t, 30)
	require.Equal(t, []string{"0 {20 30}"}, again.parts, "the same range, under the same name")

	j.records = append(j.records[:25:25], texts("n", 5)...)
	j.run(t, 30)
	assert.Equal(t, []string{"1 {20 30}"}, j.parts)
	assert.Equal(t, append([]string{"r20", "r21", "r22", "r23", "r24"}, texts("n", 5)...), j.delivered)
	require.Len(t, j.cuts, 1)
	assert.Equal(t, delivery.Bounds{First: 20, Next: 30}, j.cuts[0].Bounds)
}

func TestATornStateTopicHasAWayForward(t *testing.T) {
	for name, c := range map[string]struct {
		tear     func(j *journal)
		restored int64
		missing  string
	}{
		"the last checkpoint":            {tear: func(j *journal) { j.state[len(j.state)-1].Value[13] ^= 1 }, restored: 20, missing: "is incomplete"},
		"all of them":                    {tear: func(j *journal) { j.state = j.state[:1] }, restored: 30, missing: "is incomplete"},
		"it is empty":                    {tear: func(j *journal) { j.state = nil }, restored: 30, missing: "the state topic is empty"},
		"it is empty, and the group new": {tear: func(j *journal) { j.state, j.group = nil, -1 }, restored: 0},
	} {
		t.Run(name, func(t *testing.T) {
			j := &journal{records: texts("r", 30), topic: delivery.TopicID{1}, group: -1, inRange: 10}
			j.run(t, 20)
			j.run(t, 30)
			c.tear(j)
			j.patient = true
			j.run(t, 30)
			assert.Equal(t, c.restored, j.restored)
			if c.missing == "" {
				assert.Empty(t, j.missing)
				return
			}
			require.Len(t, j.missing, 1)
			assert.Contains(t, j.missing[0], c.missing)
			j.patient = false
			j.run(t, 30)
			assert.Empty(t, j.missing, "it is whole again")
		})
	}
}

func TestACheckpointOfVersion1IsRead(t *testing.T) {
	text, err := os.ReadFile("testdata/checkpoint-v1.json")
	require.NoError(t, err)
	j := &journal{records: texts("r", 70), topic: delivery.TopicID{1}, group: -1, inRange: 10, recorded: true}
	require.NoError(t, json.Unmarshal(text, &j.state))
	// No session wrote its state: only the worker's part is golden.
	j.worker = delivery.NewWorker(delivery.WorkerSettings{Label: "p", Log: j, Store: j, Clock: j, Observer: j, Interval: time.Hour, Nonce: 1,
		Deliver: func(context.Context, delivery.Bounds, []delivery.Record) error { return nil }, Permanent: func(error) bool { return false }})
	ctx, cancel := context.WithCancel(t.Context())
	j.cancel = cancel
	require.Error(t, j.worker.Run(ctx))
	require.ErrorIs(t, j.failed, delivery.ErrState, "the checkpoint was decoded: what fails is the state in it")
}

// results is a component that closes something with each range, and notes under which time it is sent.
type results struct {
	session *delivery.Session
	open    bool
	sent    []time.Time
}

func (r *results) Restore(io.Reader) error { return nil }
func (r *results) Advance(_ time.Time, _ bool, low time.Time) (due bool, out time.Time) {
	return r.open, low
}
func (r *results) Snapshot(io.Writer) error { return nil }
func (r *results) Flush(context.Context) error {
	r.sent, r.open = append(r.sent, r.session.Now()), false
	return nil
}
func (r *results) Adopt() {}

// The clock was set far back: what components close is sent under a time that is not before the records', before and after a restart.
func TestResultsAreNotOfTheFuture(t *testing.T) {
	j := &journal{records: texts("r", 100), group: -1, inRange: 10} // Its clock stands in 1970.
	var of *results
	run := func(until int64) {
		j.stopAt = until
		j.worker = delivery.NewWorker(delivery.WorkerSettings{
			Label: "p", Log: j, Store: j, Clock: j, Observer: j, Interval: time.Hour, DedupWindow: time.Hour, DedupMax: 1000, Permanent: func(error) bool { return false },
			Deliver: func(ctx context.Context, _ delivery.Bounds, records []delivery.Record) error {
				session, _ := delivery.From(ctx)
				var err error
				of, err = delivery.Join(session, "results", func() *results { return &results{session: session} })
				of.open = len(records) > 0
				return err
			},
		})
		require.NoError(t, j.worker.Run(t.Context()))
	}
	run(50)
	require.NotEmpty(t, of.sent)
	assert.False(t, of.sent[len(of.sent)-1].Before(time.Unix(39, 0)), "%v", of.sent)
	run(100)
	for _, at := range of.sent {
		assert.False(t, at.Before(time.Unix(49, 0)), "%v", of.sent)
	}
}
