// Package streamlimit bounds the streams of one tenant, and tracks what the exporter must know about each of them to send it safely.
//
// Loki holds every active stream in memory and refuses new ones past a limit (5000 per tenant by default). A label with many values, such
// as a pod or a user id, reaches it within minutes. When a tenant is full, the label with the most values becomes structured metadata: the
// streams that differ only in it become one. So no entry is lost, and queries by the other labels continue to work.
package streamlimit

import (
	"strings"
	"sync"
	"time"
)

// MaxLabels is how many labels a stream can have here, because moved labels are bits.
const MaxLabels = 64

// Moved is a set of positions of labels that are currently structured metadata.
type Moved uint64

// Has reports whether label i is in m; false for -1.
func (m Moved) Has(i int) bool { return i >= 0 && m&(1<<i) != 0 }

// Settings are the same for all tenants.
type Settings struct {
	// MaxStreams bounds the active streams, at least 1.
	MaxStreams int
	// Idle is how long a stream without new entries counts as active.
	Idle time.Duration
	// Release is how long a moved label stays moved.
	Release time.Duration
	// MaxBehind is how much older than the newest of its stream an entry may be before the store refuses it. 0: any age.
	MaxBehind time.Duration
	// StreamRate is what the store accepts for one stream, in bytes per second, and StreamBurst at once. 0: any rate.
	StreamRate, StreamBurst float64
	// Last are labels that are moved only if no other is left.
	Last Moved
	// Render returns the text of the labels that are not in moved.
	Render func(values []string, moved Moved) string
}

// Stream is an active stream. Its fields belong to its tenant.
type Stream struct {
	// Labels is the text of its labels. It does not change.
	Labels string

	values []string
	// seen: last admitted. known: the store has accepted entries of it.
	seen   time.Time
	known  bool
	newest int64 // ns, the latest entry that the store accepted
	tokens float64
	filled time.Time
}

// Move reports that a label was moved.
type Move struct {
	// Label is its position; Values how many values it had among Streams active streams.
	Label, Values, Streams int
}

// Tenant holds the streams of one tenant: at most MaxStreams, each needs twice its label values plus about 200 bytes. Safe for concurrent
// use.
type Tenant struct {
	set Settings

	mu      sync.Mutex
	streams map[string]*Stream // by Labels; guarded by mu, as all below
	limit   int
	lowered time.Time
	moved   Moved
	movedAt [MaxLabels]time.Time
	swept   time.Time
}

// NewTenant returns a tenant without streams.
func NewTenant(set Settings) *Tenant {
	return &Tenant{set: set, limit: set.MaxStreams, streams: make(map[string]*Stream)}
}

// Admit returns the stream for these label values (one per label, empty for none), and which of the labels are moved and so not part of
// it. If the tenant is full, it first moves labels, and returns them. values is copied if it is kept.
func (t *Tenant) Admit(values []string, now time.Time) (*Stream, Moved, []Move) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.releaseLocked(now)
	var moves []Move
	for {
		labels := t.set.Render(values, t.moved)
		if s, ok := t.streams[labels]; ok {
			s.seen = now
			return s, t.moved, moves
		}
		if len(t.streams) < t.limit || !t.makeRoomLocked(now, values, &moves) {
			s := &Stream{Labels: labels, values: cloneAll(values), seen: now, filled: now, tokens: t.set.StreamBurst}
			t.streams[labels] = s
			return s, t.moved, moves
		}
	}
}

// cloneAll copies the strings too, because they may be parts of a whole request's memory.
func cloneAll(values []string) []string {
	kept := make([]string, len(values))
	for i, v := range values {
		kept[i] = strings.Clone(v)
	}
	return kept
}

// makeRoomLocked forgets idle streams, or moves a label. false: no label is left to move.
func (t *Tenant) makeRoomLocked(now time.Time, incoming []string, moves *[]Move) bool {
	if now.Sub(t.swept) >= t.set.Idle/8 {
		t.swept = now
		for key, s := range t.streams {
			if now.Sub(s.seen) >= t.set.Idle {
				delete(t.streams, key)
			}
		}
		if len(t.streams) < t.limit {
			return true
		}
	}
	label, values := t.widestLocked(incoming)
	if label < 0 {
		return false
	}
	*moves = append(*moves, Move{Label: label, Values: values, Streams: len(t.streams)})
	t.moved |= 1 << label
	t.movedAt[label] = now
	t.mergeLocked()
	return true
}

// widestLocked finds the label with the most distinct values, at least two.
func (t *Tenant) widestLocked(incoming []string) (label, distinct int) {
	label = -1
	for i := range incoming {
		if t.moved.Has(i) || (t.set.Last.Has(i) && label >= 0) {
			continue
		}
		values := map[string]struct{}{incoming[i]: {}}
		for _, s := range t.streams {
			values[s.values[i]] = struct{}{}
		}
		if len(values) > 1 && (len(values) > distinct || t.set.Last.Has(label)) {
			label, distinct = i, len(values)
		}
	}
	return label, distinct
}

// mergeLocked renders all streams again without the moved labels. Streams that this does not change keep their state; the others are new
// to the store.
func (t *Tenant) mergeLocked() {
	merged := make(map[string]*Stream)
	for _, s := range t.streams {
		labels := t.set.Render(s.values, t.moved)
		into := merged[labels]
		switch {
		case labels == s.Labels:
			if into != nil {
				s.seen = later(s.seen, into.seen)
			}
			merged[labels] = s
		case into == nil:
			merged[labels] = &Stream{Labels: labels, values: s.values, seen: s.seen, filled: s.filled, tokens: t.set.StreamBurst}
		default:
			into.seen = later(s.seen, into.seen)
		}
	}
	t.streams = merged
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (t *Tenant) releaseLocked(now time.Time) {
	if t.limit < t.set.MaxStreams && now.Sub(t.lowered) >= t.set.Release {
		t.limit = t.set.MaxStreams
	}
	if t.moved == 0 {
		return
	}
	for i := range t.movedAt {
		if t.moved.Has(i) && now.Sub(t.movedAt[i]) >= t.set.Release {
			t.moved &^= 1 << i
		}
	}
}

// Risky reports whether the store could refuse entries of s: it is not known to have accepted the stream yet, the oldest entry (ns) is too
// much older than the newest that it accepted, or the stream is near the accepted rate.
//
// The caller sends a risky stream alone. Loki's ingester overwrites the error of one stream with the result of the next in the same
// request, so it reports a refusal only if the refused stream is last (pkg/ingester/instance.go, instance.Push, v3.7.8). In a separate
// request a stream's refusal is always reported.
func (t *Tenant) Risky(s *Stream, oldest int64, bytes int, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !s.known {
		return true
	}
	if t.set.MaxBehind > 0 && s.newest-oldest > int64(t.set.MaxBehind) {
		return true
	}
	return t.set.StreamRate > 0 && t.refillLocked(s, now)-float64(bytes) < t.set.StreamBurst/2
}

func (t *Tenant) refillLocked(s *Stream, now time.Time) float64 {
	s.tokens = min(t.set.StreamBurst, s.tokens+now.Sub(s.filled).Seconds()*t.set.StreamRate)
	s.filled = now
	return s.tokens
}

// Accepted notes that the store accepted bytes of s, up to the entry at newest (ns).
func (t *Tenant) Accepted(s *Stream, newest int64, bytes int, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.known = true
	s.newest = max(s.newest, newest)
	s.tokens = max(0, t.refillLocked(s, now)-float64(bytes))
}

// Full notes that the store refused s because the tenant has too many streams there. From now on the tenant is full at the number of
// streams that the store has, so the next new stream moves a label. It has an effect at most once in Idle: the store needs that long to
// forget streams, and moving more labels meanwhile would only create more of them.
func (t *Tenant) Full(s *Stream, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.known || t.streams[s.Labels] != s {
		return
	}
	delete(t.streams, s.Labels)
	if !t.lowered.IsZero() && now.Sub(t.lowered) < t.set.Idle {
		return
	}
	t.lowered = now
	known := 0
	for _, other := range t.streams {
		if other.known {
			known++
		}
	}
	t.limit = max(1, min(known, t.limit))
}

// Size returns the number of active streams and of moved labels.
func (t *Tenant) Size() (streams, moved int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for m := t.moved; m != 0; m &= m - 1 {
		moved++
	}
	return len(t.streams), moved
}
