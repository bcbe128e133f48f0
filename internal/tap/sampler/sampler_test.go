package sampler_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/internal/tap"
	"github.com/penstockhq/penstock/internal/tap/sampler"
	"github.com/penstockhq/penstock/internal/tenant"
)

// stars replaces every text of resources, and bodies, by stars; or fails.
type stars struct{ err error }

func hide(m pcommon.Map) {
	for _, v := range m.All() {
		v.SetStr("***")
	}
}

func (s stars) ScrubLogs(_ context.Context, ld plog.Logs) error {
	for _, rl := range ld.ResourceLogs().All() {
		hide(rl.Resource().Attributes())
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				r.Body().SetStr(strings.ReplaceAll(r.Body().AsString(), "jane@example.com", "***"))
			}
		}
	}
	return s.err
}

func (s stars) ScrubMetrics(_ context.Context, md pmetric.Metrics) error {
	for _, rm := range md.ResourceMetrics().All() {
		hide(rm.Resource().Attributes())
	}
	return s.err
}

func (s stars) ScrubTraces(_ context.Context, td ptrace.Traces) error {
	for _, rs := range td.ResourceSpans().All() {
		hide(rs.Resource().Attributes())
	}
	return s.err
}

// tapped opens a tap on one point, at a sampler with a scrubber.
func tapped(t *testing.T, f tap.Filter, rate int) (*sampler.Sampler, *tap.Point, *tap.Tap) {
	t.Helper()
	h := tap.NewHub(4)
	p := tap.NewPoint(tap.Place{Side: tap.Before, Kind: "exporter", Component: "loki", Signal: "logs"})
	h.Add(p)
	viewer, err := h.Open(f, rate)
	require.NoError(t, err)
	s := sampler.New(h)
	s.Offer("pii_scrubber", stars{})
	return s, p, viewer
}

// batchOf has n records of a tenant, with a body that begins with text.
func batchOf(tenantID string, n int, text string) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr(tenant.Attribute, tenantID)
	for i := range n {
		r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		r.Body().SetStr(fmt.Sprintf("%s %d", text, i))
	}
	return ld
}

type shown struct {
	Time      time.Time
	Side      string
	Component string
	Tenant    string
	Cut       bool
	Record    map[string]any
}

// lines reads what waits for the viewer.
func lines(t *testing.T, viewer *tap.Tap) (all []shown) {
	t.Helper()
	for {
		select {
		case text := <-viewer.Lines():
			assert.LessOrEqual(t, len(text), tap.MaxRecord)
			var s shown
			require.NoError(t, json.Unmarshal(text, &s), string(text))
			all = append(all, s)
		default:
			return all
		}
	}
}

func TestWhatIsShownIsScrubbedAndTheBatchStaysAsItIs(t *testing.T) {
	s, p, viewer := tapped(t, tap.Filter{}, 10)
	ld := batchOf("acme", 1, "mail of jane@example.com")
	before := plog.NewLogs()
	ld.CopyTo(before)
	began := time.Now()
	s.Logs(t.Context(), p, ld)
	assert.Equal(t, before, ld)
	got := lines(t, viewer)
	require.Len(t, got, 1)
	assert.Equal(t, "mail of *** 0", got[0].Record["body"])
	assert.Equal(t, "acme", got[0].Tenant, "the tenant is the one of the record as it passes")
	assert.Equal(t, map[string]any{"tenant.id": "***"}, got[0].Record["resource"])
	assert.Equal(t, []any{"before", "loki", false}, []any{got[0].Side, got[0].Component, got[0].Cut})
	assert.WithinRange(t, got[0].Time, began.Add(-time.Second), time.Now())
}

func TestWithoutAScrubberNothingIsShown(t *testing.T) {
	s, p, viewer := tapped(t, tap.Filter{}, 10)
	withdraw := s.Offer("pii_scrubber", stars{errors.New("no key yet")})
	s.Logs(t.Context(), p, batchOf("acme", 1, "x"))
	assert.Equal(t, tap.Counts{Seen: 1, Unscrubbed: 1}, viewer.Counts(), "a scrubber that fails shows nothing")
	withdraw()
	withdraw()
	assert.Empty(t, s.Scrubbers())
	s.Logs(t.Context(), p, batchOf("acme", 1, "x"))
	assert.Equal(t, tap.Counts{Seen: 2, Unscrubbed: 2}, viewer.Counts())
	assert.Empty(t, lines(t, viewer))
	s.Offer("a", stars{})
	s.Offer("b", stars{errors.New("fails")})
	assert.Equal(t, []string{"a", "b"}, s.Scrubbers())
	s.Logs(t.Context(), p, batchOf("acme", 1, "x"))
	assert.Empty(t, lines(t, viewer), "all scrubbers must have worked on it")
}

func TestATenantSeesItsOwn(t *testing.T) {
	s, p, viewer := tapped(t, tap.Filter{Tenant: "acme", OneTenant: true}, 100)
	ld := batchOf("beta", 20, "beta's")
	batchOf("acme", 2, "acme's").ResourceLogs().MoveAndAppendTo(ld.ResourceLogs())
	batchOf("", 3, "nobody's").ResourceLogs().MoveAndAppendTo(ld.ResourceLogs())
	s.Logs(t.Context(), p, ld)
	s.Logs(tenant.With(t.Context(), "beta"), p, batchOf("acme", 5, "of beta's client, who says that it is acme's"))
	got := lines(t, viewer)
	assert.Len(t, got, 2)
	for _, one := range got {
		assert.Equal(t, "acme", one.Tenant)
		assert.Contains(t, one.Record["body"], "acme's")
	}
	assert.Equal(t, tap.Counts{Seen: 2, Shown: 2}, viewer.Counts(), "not even the number of others' records")

	s, p, viewer = tapped(t, tap.Filter{OneTenant: true}, 100)
	s.Logs(t.Context(), p, batchOf("", 3, "nobody's"))
	assert.Zero(t, viewer.Counts().Seen, "no tenant sees nothing")
}

func TestABatchIsSampledAllOver(t *testing.T) {
	s, p, viewer := tapped(t, tap.Filter{}, 100)
	ld := plog.NewLogs()
	for i := range 10 {
		batchOf("t", 100, fmt.Sprint("resource ", i, " ")).ResourceLogs().MoveAndAppendTo(ld.ResourceLogs())
	}
	s.Logs(t.Context(), p, ld)
	seen := map[string]bool{}
	for _, one := range lines(t, viewer) {
		seen[one.Record["body"].(string)[:10]] = true
	}
	assert.Len(t, seen, 10, "one of each hundred")
	assert.Equal(t, tap.Counts{Seen: 1000, Shown: 10}, viewer.Counts())
	s.Logs(t.Context(), p, plog.NewLogs())
	s.Logs(t.Context(), p, batchOf("t", 0, ""))
	assert.EqualValues(t, 1000, viewer.Counts().Seen)
}

// Never longer than MaxRecord, and always JSON, whatever the record is.
func TestLongRecordsAreCut(t *testing.T) {
	for name, fill := range map[string]func(r plog.LogRecord){
		"text":          func(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("ä", 5000)) },
		"escapes":       func(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("\x00<", 50000)) },
		"invalid UTF-8": func(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("\xff", 5000)) },
		"many": func(r plog.LogRecord) {
			for i := range 1000 {
				r.Attributes().PutStr(fmt.Sprint("key", i), strings.Repeat("\x01", 100))
			}
		},
		"deep": func(r plog.LogRecord) {
			m := r.Body().SetEmptyMap()
			for range 50 {
				m.PutStr("t", strings.Repeat("\"", 500))
				m = m.PutEmptyMap("in")
			}
			r.Attributes().PutEmptySlice("s").AppendEmpty().SetEmptySlice().AppendEmpty().SetEmptySlice().AppendEmpty().SetEmptySlice().AppendEmpty().SetEmptySlice().AppendEmpty()
		},
	} {
		s, p, viewer := tapped(t, tap.Filter{}, 10)
		ld := batchOf("t", 1, "")
		fill(ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0))
		s.Logs(t.Context(), p, ld)
		got := lines(t, viewer)
		if assert.Len(t, got, 1, name) && name != "deep" {
			assert.True(t, got[0].Cut, name)
		}
	}
	s, p, viewer := tapped(t, tap.Filter{}, 10)
	s.Logs(t.Context(), p, batchOf("t", 1, strings.Repeat("x", 300<<10)))
	assert.Equal(t, tap.Counts{Seen: 1, Long: 1}, viewer.Counts())
}

func TestAllSignals(t *testing.T) {
	s, p, viewer := tapped(t, tap.Filter{}, 100)

	md := pmetric.NewMetrics()
	ms := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	gauge := ms.AppendEmpty()
	gauge.SetName("gauge")
	gauge.SetEmptyGauge().DataPoints().AppendEmpty().SetDoubleValue(math.NaN())
	sum := ms.AppendEmpty()
	sum.SetName("sum")
	sum.SetEmptySum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	point := sum.Sum().DataPoints().AppendEmpty()
	point.SetIntValue(7)
	point.Attributes().PutStr("route", "/pay")
	histogram := ms.AppendEmpty()
	histogram.SetEmptyHistogram().DataPoints().AppendEmpty().SetCount(3)
	ms.AppendEmpty().SetEmptyExponentialHistogram().DataPoints().AppendEmpty().SetSum(2.5)
	ms.AppendEmpty().SetEmptySummary().DataPoints().AppendEmpty().SetCount(1)
	ms.AppendEmpty() // without a type
	s.Metrics(t.Context(), p, md)
	got := lines(t, viewer)
	require.Len(t, got, 5)
	assert.Equal(t, "NaN", got[0].Record["value"])
	assert.Equal(t, map[string]any{"name": "sum", "type": "Sum", "temporality": "Delta", "value": 7.0, "attributes": map[string]any{"route": "/pay"}}, got[1].Record)
	assert.InDelta(t, 3, got[2].Record["count"], 0)
	assert.InDelta(t, 2.5, got[3].Record["sum"], 0)

	td := ptrace.NewTraces()
	sp := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	sp.SetName("POST /pay")
	sp.SetTraceID(pcommon.TraceID{1})
	sp.SetStartTimestamp(1e9)
	sp.SetEndTimestamp(1.5e9)
	sp.Status().SetCode(ptrace.StatusCodeError)
	sp.Events().AppendEmpty().SetName("exception")
	s.Traces(t.Context(), p, td)
	got = lines(t, viewer)
	require.Len(t, got, 1)
	assert.Equal(t, map[string]any{"name": "POST /pay", "kind": "Unspecified", "trace_id": "01000000000000000000000000000000", "time": "1970-01-01T00:00:01Z", "duration_ms": 500.0,
		"status": "Error", "events": []any{map[string]any{"name": "exception"}}}, got[0].Record)

	pd := pprofile.NewProfiles()
	rp := pd.ResourceProfiles().AppendEmpty()
	rp.Resource().Attributes().PutStr("user", "jane@example.com")
	rp.ScopeProfiles().AppendEmpty().Profiles().AppendEmpty().Samples().AppendEmpty()
	pd.Dictionary().StringTable().Append("jane@example.com")
	s.Profiles(t.Context(), p, pd)
	got = lines(t, viewer)
	require.Len(t, got, 1)
	assert.Equal(t, map[string]any{"duration_ms": 0.0, "samples": 1.0, "resource": map[string]any{"user": "***"}}, got[0].Record)
}

// owner is an extension that has a sampler.
type owner struct {
	component.Component
	s *sampler.Sampler
}

func (o owner) TapSampler() *sampler.Sampler { return o.s }

type host map[component.ID]component.Component

func (h host) GetExtensions() map[component.ID]component.Component { return h }

func TestFind(t *testing.T) {
	assert.Nil(t, sampler.Find(host{}))
	s := sampler.New(tap.NewHub(1))
	assert.Same(t, s, sampler.Find(host{component.MustNewID("console"): owner{s: s}}))
}

// BenchmarkOpen is the cost of a batch of 100 records while one tap shows all records of another component, and one shows this component's.
func BenchmarkOpen(b *testing.B) {
	for name, f := range map[string]tap.Filter{"elsewhere": {Component: "other"}, "here": {}} {
		b.Run(name, func(b *testing.B) {
			h := tap.NewHub(1)
			p := tap.NewPoint(tap.Place{Side: tap.Before, Kind: "exporter", Component: "loki", Signal: "logs"})
			h.Add(p)
			_, err := h.Open(f, 10)
			require.NoError(b, err)
			s := sampler.New(h)
			s.Offer("pii_scrubber", stars{})
			ld := batchOf("t", 100, "a line")
			b.ReportAllocs()
			for b.Loop() {
				if p.Open() {
					s.Logs(b.Context(), p, ld)
				}
			}
		})
	}
}
