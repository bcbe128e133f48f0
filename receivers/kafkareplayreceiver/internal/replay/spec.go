package replay

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/penstockhq/penstock/internal/journal"
)

// Sources of a job.
const (
	Journal    = "journal"
	DeadLetter = "deadletter"
)

// The times to which a range applies.
const (
	Received = "received" // when the record was written to the journal
	Event    = "event"    // the times of data points, log records and spans
)

// DefaultLate is how much later than its event times a record may have been written to the journal.
const DefaultLate = time.Hour

// now is the end of a range that ends when the job is created.
const now = "now"

// Spec is a user's request: the body of POST /v1/replays, or an entry of `run` in YAML.
type Spec struct {
	// ID names the job. Default: made from the time. Required in YAML, where it shows whether the job was created before.
	ID string `json:"id,omitempty" mapstructure:"id"`
	// Signal is metrics, logs or traces. Default: the receiver's, if it has one pipeline; else metrics, if it has one for them.
	Signal journal.Signal `json:"signal,omitempty" mapstructure:"signal"`
	// Source is journal (default) or deadletter.
	Source string `json:"source,omitempty" mapstructure:"source"`
	// From and To bound the range: [from, to). RFC 3339, or an age such as -48h; to: now by default.
	From string `json:"from,omitempty" mapstructure:"from"`
	To   string `json:"to,omitempty" mapstructure:"to"`
	// By is the time to which From and To apply: received (default) or event. Rollup windows and replace need event.
	By string `json:"by,omitempty" mapstructure:"by"`
	// Late is, with by: event, how much later a record may have been received. Default 1h.
	Late string `json:"late,omitempty" mapstructure:"late"`
	// Offsets bound the range instead of times: partitions that are not named are not read.
	Offsets []Span `json:"offsets,omitempty" mapstructure:"offsets"`
	// Tenants, Keys and Headers select records: one of the tenants, one of the keys, all headers. Keys are compared part by part
	// (tenant/namespace/service/...), with * and ?; a pattern with fewer parts matches every key that begins with them.
	Tenants []string          `json:"tenants,omitempty" mapstructure:"tenants"`
	Keys    []string          `json:"keys,omitempty" mapstructure:"keys"`
	Headers map[string]string `json:"headers,omitempty" mapstructure:"headers"`
	// Condition is an OTTL condition on data points, log records or spans: only those that meet it are replayed.
	Condition string `json:"condition,omitempty" mapstructure:"condition"`
	// RecordsPerSecond and BytesPerSecond bound the rate. Default 0: no bound.
	RecordsPerSecond int64 `json:"records_per_second,omitempty" mapstructure:"records_per_second"`
	BytesPerSecond   int64 `json:"bytes_per_second,omitempty" mapstructure:"bytes_per_second"`
	// Yield slows the job down while live groups lag. Default true.
	Yield *bool `json:"yield,omitempty" mapstructure:"yield"`
	// Mark sets penstock.replay.id on every item. On metrics that creates new series. Default false.
	Mark bool `json:"mark,omitempty" mapstructure:"mark"`
	// Replace deletes in the targets what the job is about to write. Default: no deletion.
	Replace *Replace `json:"replace,omitempty" mapstructure:"replace"`
	// Force creates the job although the preflight check found problems.
	Force bool `json:"force,omitempty" mapstructure:"force"`
	// DryRun answers what the job would do. It does not apply in YAML.
	DryRun bool `json:"dry_run,omitempty" mapstructure:"-"`
}

// Replace configures the deletion before a job.
type Replace struct {
	// Match are series selectors. Default: the series of the services that the job replays completely.
	Match []string `json:"match,omitempty" mapstructure:"match"`
}

// Span is a range of offsets of one partition, from First (included) to Next (excluded).
type Span struct {
	Partition int32 `json:"partition" mapstructure:"partition"`
	First     int64 `json:"first" mapstructure:"first"`
	Next      int64 `json:"next" mapstructure:"next"`
}

var validID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// Validate reports all problems at once, each by its key. The errors contain no text of the spec, because they are sent to clients.
func (s *Spec) Validate() (err error) {
	bad := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	if s.ID != "" && !validID.MatchString(s.ID) {
		bad("id: must be 1 to 40 lower-case letters, digits and dashes")
	}
	if !slices.Contains([]journal.Signal{"", journal.Metrics, journal.Logs, journal.Traces}, s.Signal) {
		bad("signal: must be metrics, logs or traces")
	}
	if !slices.Contains([]string{"", Journal, DeadLetter}, s.Source) {
		bad("source: must be %s or %s", Journal, DeadLetter)
	}
	if !slices.Contains([]string{"", Received, Event}, s.By) {
		bad("by: must be %s or %s", Received, Event)
	}
	if s.Late != "" {
		if d, e := time.ParseDuration(s.Late); e != nil || d < 0 {
			bad("late: must be a duration such as 1h")
		}
	}
	switch {
	case len(s.Offsets) == 0 && s.From == "":
		bad("from: must be set, or offsets")
	case len(s.Offsets) > 0 && (s.From != "" || s.To != ""):
		bad("offsets: cannot be combined with from and to")
	}
	for key, text := range map[string]string{"from": s.From, "to": s.To} {
		if _, e := moment(text, time.Now()); e != nil {
			bad("%s: %w", key, e)
		}
	}
	seen := map[int32]bool{}
	for _, o := range s.Offsets {
		if o.Partition < 0 || o.First < 0 || o.Next <= o.First {
			bad("offsets: partition %d, first %d, next %d: none may be negative, and next must be greater than first", o.Partition, o.First, o.Next)
		}
		if seen[o.Partition] {
			bad("offsets: partition %d is listed twice", o.Partition)
		}
		seen[o.Partition] = true
	}
	for i, k := range s.Keys {
		if _, e := path.Match(k, ""); e != nil || k == "" {
			bad("keys: number %d is not a pattern", i+1)
		}
	}
	for _, pattern := range s.Headers {
		if _, e := path.Match(pattern, ""); e != nil {
			bad("headers: a value is not a pattern")
		}
	}
	if s.RecordsPerSecond < 0 || s.BytesPerSecond < 0 {
		bad("records_per_second, bytes_per_second: %d and %d must not be negative", s.RecordsPerSecond, s.BytesPerSecond)
	}
	if s.Replace != nil {
		switch s.Signal {
		case journal.Logs:
			bad("replace: logs can't be replaced: Loki deletes hours later, and would also delete the replayed entries; use mark instead")
		case journal.Traces:
			bad("replace: traces can't be replaced: no store of traces deletes a range; use mark instead")
		}
		if len(s.Offsets) > 0 {
			bad("replace: needs from and to, not offsets: stores delete a range of time")
		}
		if s.By == Received {
			bad("replace: needs by: event, so that the range deleted is the range written")
		}
		if s.Source == DeadLetter {
			bad("replace: cannot be combined with source: deadletter, which has only a part of the range")
		}
	}
	return err
}

// Range is the beginning and end of a job's range, and the times to which they apply.
type Range struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Event: From and To bound event times; records are read from ReadFrom to ReadTo by their time in the journal.
	Event    bool      `json:"event"`
	ReadFrom time.Time `json:"read_from"`
	ReadTo   time.Time `json:"read_to"`
	// Widened: From or To were moved to a boundary of windows.
	Widened bool `json:"widened,omitempty"`
}

// ahead is how far a sender's clock may be ahead of the journal's.
const ahead = 10 * time.Minute

// Resolve computes the times of s at the given moment. windows are the sizes of rollup windows downstream of the job: the range is widened
// to boundaries of all of them, but not past at. A Spec with offsets has no Range.
func (s *Spec) Resolve(at time.Time, windows []time.Duration) (Range, error) {
	from, err := moment(s.From, at)
	if err != nil {
		return Range{}, fmt.Errorf("from: %w", err)
	}
	to, err := moment(cmp.Or(s.To, now), at)
	if err != nil {
		return Range{}, fmt.Errorf("to: %w", err)
	}
	r := Range{From: from.Truncate(time.Millisecond), To: to.Truncate(time.Millisecond), Event: s.By == Event || s.Replace != nil || len(windows) > 0}
	late := DefaultLate
	if s.Late != "" {
		if late, err = time.ParseDuration(s.Late); err != nil {
			return Range{}, errors.New("late: must be a duration such as 1h")
		}
	}
	if asked := r; len(windows) > 0 && r.To.After(r.From) && !r.From.After(at) {
		if s.By == Received { // Records received in the range have times in these windows, and a part of a window would give a wrong rollup.
			r.From = r.From.Add(-late)
		}
		size := r.widen(at, windows)
		if !r.To.After(r.From) {
			return Range{}, fmt.Errorf("to: ranges are widened to whole %s windows, because this receiver's pipeline has rollups: %s to %s is in the window that begins at %s and "+
				"ends at %s", model.Duration(size), clock(asked.From), clock(asked.To), clock(r.To), clock(r.To.Add(size)))
		}
	}
	if !r.To.After(r.From) {
		return Range{}, fmt.Errorf("to: %s is not after from (%s)", r.To.Format(time.RFC3339Nano), r.From.Format(time.RFC3339Nano))
	}
	if r.From.After(at) {
		return Range{}, fmt.Errorf("from: %s is in the future", r.From.Format(time.RFC3339Nano))
	}
	r.ReadFrom, r.ReadTo = r.From, r.To
	if r.Event {
		r.ReadFrom, r.ReadTo = r.From.Add(-ahead), r.To.Add(late)
	}
	if r.ReadTo.After(at) {
		r.ReadTo = at
	}
	return r, nil
}

// clock formats a time in an error; the day is known.
func clock(t time.Time) string { return t.UTC().Format("15:04") }

// widen moves the bounds to multiples of every window, and returns their least common multiple. An end in the future moves back instead.
func (r *Range) widen(at time.Time, windows []time.Duration) time.Duration {
	size := int64(1)
	for _, w := range windows {
		size = multiple(size, int64(w))
	}
	from, to := floor(r.From.UnixNano(), size), floor(r.To.UnixNano()+size-1, size)
	if to > at.UnixNano() {
		to = floor(at.UnixNano(), size)
	}
	r.Widened = from != r.From.UnixNano() || to != r.To.UnixNano()
	r.From, r.To = time.Unix(0, from).UTC(), time.Unix(0, to).UTC()
	return time.Duration(size)
}

func floor(t, size int64) int64 {
	rest := t % size
	if rest < 0 {
		rest += size
	}
	return t - rest
}

// multiple returns the least common multiple.
func multiple(a, b int64) int64 {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}

// Contains reports whether an item with event time t belongs to the range.
func (r *Range) Contains(t time.Time) bool { return !t.Before(r.From) && t.Before(r.To) }

// moment parses a point in time; an empty text means at.
func moment(text string, at time.Time) (time.Time, error) {
	switch {
	case text == "" || text == now:
		return at.UTC(), nil
	case strings.HasPrefix(text, "-"):
		d, err := time.ParseDuration(text)
		if err != nil {
			return time.Time{}, errors.New("must be an age such as -48h")
		}
		return at.Add(d).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, errors.New("must be a time such as 2006-01-02T15:04:05Z, or an age such as -48h")
	}
	return t.UTC(), nil
}
