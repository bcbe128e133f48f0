package lokiexporter

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/metadata"
	"github.com/penstockhq/penstock/internal/delivery"
)

// limits are what a Loki refuses, as its distributor and its ingesters check it (v3.7.8: pkg/distributor/validator.go,
// pkg/ingester/stream.go). Their answers group equal texts, and an ingester's hides the distributor's.
type limits struct {
	lineBytes         int
	oldest, newest    time.Time
	metadata, label   string               // a pair, and a part of labels, that it does not take
	newestOf          map[string]time.Time // of each stream
	stored            map[string]bool      // entries that are equal are stored once
	behind            time.Duration
	namesOtherStreams bool // it has added a label to the streams, and names them with it
}

func (l *limits) answer(a arrival) reply {
	counts, order := map[string]int{}, []string{}
	refuse := func(text string) {
		if counts[text]++; counts[text] == 1 {
			order = append(order, text)
		}
	}
	behind := map[string][]string{}
	took := map[string]bool{}
	for _, e := range a.entries {
		stream, at := e.Stream, time.Unix(0, e.Time).UTC()
		if l.namesOtherStreams {
			stream = strings.TrimSuffix(stream, "}") + `, zone="eu"}`
		}
		key := fmt.Sprint(e)
		switch newest := l.newestOf[e.Stream]; {
		case l.label != "" && strings.Contains(e.Stream, l.label):
			text := fmt.Sprintf("stream '%s' has label value too long: 'x'", stream)
			counts[text], order = 1, append(slices.DeleteFunc(order, func(o string) bool { return o == text }), text)
		case !l.oldest.IsZero() && at.Before(l.oldest):
			refuse(fmt.Sprintf("entry for stream '%s' has timestamp too old: %s, oldest acceptable timestamp is: %s", stream, at.Format(time.RFC3339), l.oldest.Format(time.RFC3339)))
		case !l.newest.IsZero() && at.After(l.newest):
			refuse(fmt.Sprintf("entry for stream '%s' has timestamp too new: %s", stream, at.Format(time.RFC3339)))
		case l.lineBytes > 0 && len(e.Line) > l.lineBytes:
			refuse(fmt.Sprintf("max entry size '%d' bytes exceeded for stream '%s' while adding an entry with length '%d' bytes", l.lineBytes, stream, len(e.Line)))
		case l.metadata != "" && e.Metadata[l.metadata] != "":
			refuse(fmt.Sprintf("stream '%s' has structured metadata too large: '70000' bytes, limit: '65536' bytes. Please see `limits_config.max_structured_metadata_size`", stream))
		case l.behind > 0 && newest.Add(-l.behind).After(at):
			behind[stream] = append(behind[stream], fmt.Sprintf("entry with timestamp %s ignored, reason: 'entry too far behind, entry timestamp is: %s, oldest acceptable timestamp is: %s'",
				at, at.Format(time.RFC3339), newest.Add(-l.behind).Format(time.RFC3339)))
		default:
			if at.After(newest) && l.newestOf != nil {
				l.newestOf[e.Stream] = at
			}
			took[key] = !l.stored[key]
			l.stored[key] = true
		}
	}
	var texts []string
	for _, text := range order {
		if len(order) == 1 && counts[text] == 1 {
			texts = append(texts, text)
		} else {
			texts = append(texts, fmt.Sprintf("%d errors like: %s", counts[text], text))
		}
	}
	body := strings.Join(texts, "; ")
	for stream, all := range behind {
		of := 0
		for _, e := range a.entries {
			if e.Stream == stream {
				of++
			}
		}
		body = strings.Join(all[:min(10, len(all))], ",\n") + fmt.Sprintf(",\nuser 'fake', total ignored: %d out of %d for stream: %s", len(all), of, stream)
	}
	r := reply{status: 204, took: func(e sent) bool { return took[fmt.Sprint(e)] }}
	if body != "" {
		r.status, r.body = 400, body
	}
	return r
}

// add appends a record and returns it.
func add(ld plog.Logs, service, line string, at time.Time) plog.LogRecord {
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", service)
	lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.Body().SetStr(line)
	lr.SetTimestamp(pcommon.NewTimestampFromTime(at))
	return lr
}

// Of a push that Loki accepts in part, exactly the refused entries are in the dead letter, whatever the reason; the others are in Loki
// once.
func TestExactlyTheRefusedEntriesAreInTheDeadLetter(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		limits
		want map[string]int64
	}{
		"lines too long":          {limits{lineBytes: 300}, map[string]int64{"line_too_long": 15}},
		"too old":                 {limits{oldest: now.Add(-20 * time.Minute)}, map[string]int64{"too_old": 18}},
		"too new":                 {limits{newest: now.Add(-8 * time.Minute)}, map[string]int64{"too_new": 16}},
		"metadata":                {limits{metadata: "large"}, map[string]int64{"metadata": 10}},
		"labels":                  {limits{label: `service_name="b"`}, map[string]int64{"labels": 20}},
		"several reasons":         {limits{lineBytes: 300, oldest: now.Add(-20 * time.Minute), newest: now.Add(-8 * time.Minute), metadata: "large"}, nil},
		"streams under new names": {limits{lineBytes: 300, metadata: "large", namesOtherStreams: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.stored = map[string]bool{}
			h := start(t, c.answer, func(cfg *Config) { cfg.LateLabel = "" })
			// Streams that Loki knows are sent together.
			first := plog.NewLogs()
			for _, service := range []string{"a", "b", "c"} {
				add(first, service, "known", now.Add(-10*time.Minute))
			}
			accept := c.limits
			c.limits = limits{stored: map[string]bool{}}
			require.NoError(t, h.ConsumeLogs(t.Context(), first))
			c.limits = accept
			known := len(h.loki.lines())

			ld := plog.NewLogs()
			for i := range 60 {
				line := fmt.Sprintf("line %d ", i)
				if i%4 == 1 {
					line += strings.Repeat("x", 300+i%3)
				}
				lr := add(ld, []string{"a", "b", "c"}[i%3], line, now.Add(-time.Duration(i%30)*time.Minute))
				if i%6 == 3 {
					lr.Attributes().PutStr("large", "yes")
				}
			}
			d := &deadLetter{}
			ctx := d.behind(t.Context(), "t")
			require.NoError(t, h.ConsumeLogs(ctx, ld))
			var all []string
			for _, rl := range ld.ResourceLogs().All() {
				all = append(all, rl.ScopeLogs().At(0).LogRecords().At(0).Body().Str())
			}
			taken := h.loki.lines()[known:]
			assert.NotEmpty(t, d.kept())
			for _, line := range d.kept() {
				taken = append(taken, strings.TrimPrefix(line, "t: "))
			}
			assert.ElementsMatch(t, all, taken, "each line is in Loki or in the dead letter, once")
			counted := h.counted(t, "refused_entries")
			if c.want != nil {
				assert.Equal(t, c.want, counted)
			}
			sum := int64(0)
			for _, n := range counted {
				sum += n
			}
			assert.EqualValues(t, len(d.kept()), sum)
			assert.Equal(t, sum, delivery.Of(ctx).Outcome.Refused(delivery.UnitItem))
		})
	}
}

// An ingester names ten of the entries that are too old, and their total number.
func TestEntriesFarBehindAreInTheDeadLetter(t *testing.T) {
	now := time.Now()
	l := &limits{stored: map[string]bool{}, newestOf: map[string]time.Time{}, behind: time.Hour}
	h := start(t, l.answer, func(cfg *Config) { cfg.LateLabel = "" })
	require.NoError(t, h.ConsumeLogs(t.Context(), logs("a/now")))
	ld := plog.NewLogs()
	for i := range 40 {
		add(ld, "a", fmt.Sprint(i), now.Add(-time.Duration(i*4+1)*time.Minute))
	}
	d := &deadLetter{}
	require.NoError(t, h.ConsumeLogs(d.behind(t.Context(), "t"), ld))
	var want []string
	for i := 15; i < 40; i++ {
		want = append(want, fmt.Sprintf("t: %d", i))
	}
	assert.ElementsMatch(t, want, d.kept())
	assert.Equal(t, map[string]int64{"too_far_behind": 25}, h.counted(t, "refused_entries"))
}

// A push that is refused whole is kept, and then counts as a success: otherwise the caller would keep it again.
func TestAPushThatIsRefusedWholeIsKeptOnce(t *testing.T) {
	l := &limits{stored: map[string]bool{}, lineBytes: 1}
	h := start(t, l.answer, nil)
	d := &deadLetter{}
	ctx := d.behind(t.Context(), "t")
	require.NoError(t, h.ConsumeLogs(ctx, logs("a/10", "b/20")))
	assert.ElementsMatch(t, []string{"t: 10", "t: 20"}, d.kept())
	assert.Equal(t, map[string]int64{"line_too_long": 2}, h.counted(t, "refused_entries"))
	assert.EqualValues(t, 2, delivery.Of(ctx).Outcome.Refused(delivery.UnitItem))
}

// Entries that the configuration discards are counted, and nothing else, also where a push has no others.
func TestWhatIsOutsideTheWindowIsOnlyCounted(t *testing.T) {
	h := start(t, nil, nil)
	d := &deadLetter{}
	ctx := d.behind(t.Context(), "t")
	ld := logs("a/10", "b/20")
	for _, rl := range ld.ResourceLogs().All() {
		for _, r := range rl.ScopeLogs().At(0).LogRecords().All() {
			r.SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-8 * 24 * time.Hour)))
		}
	}
	require.NoError(t, h.ConsumeLogs(ctx, ld))
	assert.Empty(t, d.kept())
	assert.Empty(t, h.loki.lines())
	assert.Equal(t, map[string]int64{"outside_window": 2}, h.counted(t, "refused_entries"))
	assert.EqualValues(t, 2, delivery.Of(ctx).Outcome.Refused(delivery.UnitItem))
}

// While the dead letter is full the refused entries are sent again, counted once.
func TestRefusedEntriesComeAgainUntilTheyAreKept(t *testing.T) {
	l := &limits{stored: map[string]bool{}, lineBytes: 2}
	d := &deadLetter{full: true}
	requests := 0
	h := start(t, func(a arrival) reply {
		if requests++; requests > 4 {
			d.mu.Lock()
			d.full = false
			d.mu.Unlock()
		}
		return l.answer(a)
	}, nil)
	require.NoError(t, h.ConsumeLogs(d.behind(t.Context(), "t"), logs("a/1", "a/222", "a/3")))
	assert.Equal(t, []string{"t: 222"}, d.kept())
	assert.ElementsMatch(t, []string{"1", "3"}, h.loki.lines())
	assert.Equal(t, map[string]int64{"line_too_long": 1}, h.counted(t, "refused_entries"))
}

// Whatever mixture of entries Loki refuses, the lines are in Loki or in the dead letter, each once.
func TestAnyMixtureOfRefusals(t *testing.T) {
	now := time.Now()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		l := &limits{stored: map[string]bool{}, newestOf: map[string]time.Time{}, lineBytes: 200, metadata: "large",
			oldest: now.Add(-time.Duration(random.IntN(100)) * time.Minute), newest: now.Add(-time.Duration(random.IntN(10)) * time.Minute),
			namesOtherStreams: random.IntN(2) == 0}
		h := start(t, l.answer, func(cfg *Config) { cfg.LateLabel = "" })
		ld := plog.NewLogs()
		var all []string
		for i := range 100 {
			line := fmt.Sprintf("%d %s", i, strings.Repeat("x", random.IntN(250)))
			all = append(all, line)
			lr := add(ld, fmt.Sprint(random.IntN(4)), line, now.Add(-time.Duration(random.IntN(7200))*time.Second))
			if random.IntN(10) == 0 {
				lr.Attributes().PutStr("large", "yes")
			}
		}
		d := &deadLetter{}
		require.NoError(t, h.ConsumeLogs(d.behind(t.Context(), "t"), ld))
		found := h.loki.lines()
		for _, line := range d.kept() {
			found = append(found, strings.TrimPrefix(line, "t: "))
		}
		assert.ElementsMatch(t, all, found, "seed %d", seed)
	}
}

// boxed is a dead_letter extension.
type boxed struct {
	component.StartFunc
	component.ShutdownFunc
	deadLetter
}

func (b *boxed) KeepLogs(ctx context.Context, l delivery.Letter, n int) error {
	ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(l.Request)
	if err != nil || ld.LogRecordCount() != n {
		return fmt.Errorf("%d records: %w", n, err)
	}
	tenant, _ := ld.ResourceLogs().At(0).Resource().Attributes().Get("tenant.id")
	l.Tenant = tenant.Str()
	return b.Keep(ctx, l)
}

type boxHost struct {
	component.Host
	extensions map[component.ID]component.Component
}

func (h boxHost) GetExtensions() map[component.ID]component.Component { return h.extensions }

// Without a journal the refused entries are in the files of the dead_letter extension, with their tenant.
func TestRefusedEntriesWithoutAJournal(t *testing.T) {
	id, box := component.MustNewID("dead_letter"), &boxed{}
	loki := newFakeLoki(t, (&limits{stored: map[string]bool{}, lineBytes: 2}).answer)
	cfg := createDefaultConfig().(*Config)
	cfg.ClientConfig.Endpoint, cfg.DeadLetter = loki.server.URL, &id
	e, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
	require.NoError(t, err)
	require.ErrorContains(t, e.Start(t.Context(), componenttest.NewNopHost()), "dead_letter: ")
	require.NoError(t, e.Start(t.Context(), boxHost{componenttest.NewNopHost(), map[component.ID]component.Component{id: box}}))
	ld := logs("a/1", "a/222", "b/3", "b/444")
	for _, rl := range ld.ResourceLogs().All() {
		rl.Resource().Attributes().PutStr("tenant.id", "team")
	}
	require.NoError(t, e.ConsumeLogs(t.Context(), ld))
	assert.ElementsMatch(t, []string{"team: 222", "team: 444"}, box.kept())
	assert.ElementsMatch(t, []string{"1", "3"}, loki.lines())
	require.NoError(t, e.Shutdown(context.WithoutCancel(t.Context())))
}
