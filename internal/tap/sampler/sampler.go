package sampler

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/internal/tap"
	"github.com/penstockhq/penstock/internal/tenant"
)

const (
	// maxCopied is the longest record that is copied, in bytes of protobuf with its resource and scope.
	maxCopied = 256 << 10
	// perBatch bounds how many records one batch shows to a tap, and so how long it is held up.
	perBatch = 10
)

// Scrubber takes out of records what must not be shown. It changes what it is given, and is safe for concurrent use. After an error nothing
// is shown.
type Scrubber interface {
	ScrubLogs(ctx context.Context, ld plog.Logs) error
	ScrubMetrics(ctx context.Context, md pmetric.Metrics) error
	ScrubTraces(ctx context.Context, td ptrace.Traces) error
}

// Sampler shows records of batches to the taps of a hub. It is safe for concurrent use. Memory: one record of at most 256 KiB is worked on
// at a time, which takes a few times as much; batches that pass meanwhile are counted and not shown.
type Sampler struct {
	hub *tap.Hub

	mu        sync.RWMutex
	scrubbers map[string]Scrubber // guarded by mu

	working sync.Mutex // held while a record is worked on
}

// New returns a sampler that shows nothing until it has a scrubber.
func New(hub *tap.Hub) *Sampler { return &Sampler{hub: hub, scrubbers: map[string]Scrubber{}} }

// Hub returns the hub whose taps it serves.
func (s *Sampler) Hub() *tap.Hub { return s.hub }

// owner is an extension that has a sampler: the console.
type owner interface{ TapSampler() *Sampler }

// Find returns the sampler of the host's extensions, nil if none has one.
func Find(host component.Host) *Sampler {
	for _, e := range host.GetExtensions() {
		if o, ok := e.(owner); ok {
			return o.TapSampler()
		}
	}
	return nil
}

// Offer makes every record go through the scrubber before it is shown, until withdraw is called, which may be repeated. id is the component's.
func (s *Sampler) Offer(id string, with Scrubber) (withdraw func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scrubbers[id] = with
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.scrubbers[id] == with {
			delete(s.scrubbers, id)
		}
	}
}

// Scrubbers lists the ids of the scrubbers.
func (s *Sampler) Scrubbers() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ids := make([]string, 0, len(s.scrubbers))
	for id := range s.scrubbers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// errNoScrubber says that nothing may be shown.
var errNoScrubber = errors.New("no scrubber")

// scrub lets all scrubbers work on one, in the order of their ids.
func (s *Sampler) scrub(ctx context.Context, work func(context.Context, Scrubber) error) error {
	ids := s.Scrubbers()
	if len(ids) == 0 {
		return errNoScrubber
	}
	for _, id := range ids {
		s.mu.RLock()
		with := s.scrubbers[id]
		s.mu.RUnlock()
		if with == nil {
			return errNoScrubber // it was withdrawn just now
		}
		if err := work(ctx, with); err != nil {
			return err
		}
	}
	return nil
}

// batch is what passes a point, of any signal.
type batch interface {
	// resources returns how many resources there are.
	resources() int
	// of returns a resource, and how many records it has.
	of(resource int) (r pcommon.Resource, records int)
	// take returns a copy of one record with its resource and scope, nil if it is longer than maxCopied.
	take(resource, record int) one
}

// one is a copy of one record.
type one interface {
	scrub(ctx context.Context, with Scrubber) error
	render(w *form) any
}

// Logs shows some records of a batch that passes the point to its taps. It keeps nothing of the batch.
func (s *Sampler) Logs(ctx context.Context, p *tap.Point, ld plog.Logs) { s.look(ctx, p, logs{ld}) }

// Metrics does the same with data points.
func (s *Sampler) Metrics(ctx context.Context, p *tap.Point, md pmetric.Metrics) {
	s.look(ctx, p, metrics{md})
}

// Traces does the same with spans.
func (s *Sampler) Traces(ctx context.Context, p *tap.Point, td ptrace.Traces) {
	s.look(ctx, p, traces{td})
}

// Profiles does the same with profiles, of which the resource and the numbers are shown, and no text of the dictionary.
func (s *Sampler) Profiles(ctx context.Context, p *tap.Point, pd pprofile.Profiles) {
	s.look(ctx, p, profiles{pd})
}

// place is a record of a batch.
type place struct {
	resource, record int
	tenant           string
}

func (s *Sampler) look(ctx context.Context, p *tap.Point, b batch) {
	taps := p.Taps()
	if len(taps) == 0 {
		return
	}
	client, _ := tenant.Client(ctx)
	type owned struct {
		tenant  string
		records int
	}
	all := make([]owned, b.resources())
	for i := range all {
		r, n := b.of(i)
		name, _ := tenant.Of(client, r.Attributes()) // A name that can't be one is the default tenant's.
		all[i] = owned{name, n}
	}
	now := time.Now()
	for _, t := range taps {
		sees := func(o owned) bool { return !t.OneTenant || t.Tenant != "" && t.Tenant == o.tenant }
		n := 0
		for _, o := range all {
			if sees(o) {
				n += o.records
			}
		}
		t.See(n)
		if n == 0 || !s.working.TryLock() {
			continue
		}
		var picked []place
		if k := t.Take(now, n, perBatch); k > 0 {
			first, step := rand.IntN(max(1, n/k)), n/k // spread over the batch
			next, passed := first, 0
			for i, o := range all {
				if !sees(o) {
					continue
				}
				for ; next < passed+o.records && len(picked) < k; next += step {
					picked = append(picked, place{i, next - passed, o.tenant})
				}
				passed += o.records
			}
		}
		for _, at := range picked {
			s.show(ctx, p, t, b, at, now)
		}
		s.working.Unlock()
	}
}

// line is one record as a viewer gets it.
type line struct {
	Time time.Time `json:"time"` // when it passed
	tap.Place
	Tenant string `json:"tenant"`
	// Cut: something of the record was left out, because it is long.
	Cut    bool `json:"cut,omitempty"`
	Record any  `json:"record"`
}

func (s *Sampler) show(ctx context.Context, p *tap.Point, t *tap.Tap, b batch, at place, now time.Time) {
	copied := b.take(at.resource, at.record)
	if copied == nil {
		t.TooLong()
		return
	}
	if err := s.scrub(ctx, func(ctx context.Context, with Scrubber) error { return copied.scrub(ctx, with) }); err != nil {
		t.Unscrubbed()
		return
	}
	for budget := tap.MaxRecord * 3 / 4; budget >= 2*shell; budget /= 2 { // JSON may be longer than the text that it holds
		w := &form{left: budget}
		l := line{Time: now.UTC(), Place: p.Place, Tenant: at.tenant}
		l.Record = copied.render(w)
		l.Cut = w.cut
		text, err := json.Marshal(l)
		if err == nil && len(text) <= tap.MaxRecord { // there is no error: numbers that JSON has no form for are texts
			t.Show(text)
			return
		}
	}
	t.TooLong()
}
