package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// What every planted secret holds, so that one of them is found wherever it went. None is what a float may end in (0.44000000000000006), and the
// numbers are so long that no run meets them in the nanoseconds of some thousand times.
var canaries = []string{"canary", "4929391100", "+1415555", "536-90-"}

// planter hides secrets, each once, and counts them.
type planter struct{ n int }

func (p *planter) next() string {
	p.n++
	switch n := p.n; n % 9 {
	case 0:
		return fmt.Sprintf("mail canary%d@victim.example.com now", n)
	case 1:
		return fmt.Sprintf("user=bob password=canary%dxyz ok", n)
	case 2:
		return fmt.Sprintf("dial https://bob:canary%d@host.example/x", n)
	case 3:
		return fmt.Sprintf("GET /cb?access_token=canary%dabcdefgh&x=1", n)
	case 4:
		return fmt.Sprintf("Authorization: Bearer canary%dabcdefgh0123", n)
	case 5:
		return fmt.Sprintf(`{"api_key":"canary%d!","x":1}`, n)
	case 6:
		return fmt.Sprintf("card %d declined", luhn(4929_3911_0000_000+n))
	case 7:
		return fmt.Sprintf("call +1415555%04d back", n%10000)
	default:
		return fmt.Sprintf("ssn 536-90-%04d", 1+n%9999)
	}
}

// luhn appends the check digit to n.
func luhn(n int) int {
	sum := 0
	for i, r := 0, n; r > 0; i, r = i+1, r/10 {
		d := r % 10
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return n*10 + (10-sum%10)%10
}

// fill hides secrets in every form that a map can hold.
func (p *planter) fill(m pcommon.Map) {
	m.PutStr("note", p.next())
	m.PutEmptyBytes("raw").FromRaw([]byte(p.next()))
	m.PutEmptyMap("map").PutEmptyMap("deeper").PutStr("x", p.next())
	m.PutEmptySlice("list").AppendEmpty().SetEmptySlice().AppendEmpty().SetStr(p.next())
	p.n += 2
	m.PutStr("db.password", fmt.Sprintf("canary%d", p.n))
	m.PutInt("pan", int64(luhn(4929_3911_0000_000+p.n)))
}

func (p *planter) logs(records int) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	p.fill(rl.Resource().Attributes())
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName(p.next())
	p.fill(sl.Scope().Attributes())
	for i := range records {
		r := sl.LogRecords().AppendEmpty()
		r.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		switch i % 3 {
		case 0:
			r.Body().SetStr(p.next())
		case 1:
			p.fill(r.Body().SetEmptyMap())
		default:
			r.Body().SetEmptyBytes().FromRaw([]byte(p.next()))
		}
		r.SetEventName(p.next())
		r.SetSeverityText(p.next())
		p.fill(r.Attributes())
	}
	return ld
}

func (p *planter) traces(spans int) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "shop")
	p.fill(rs.Resource().Attributes())
	ss := rs.ScopeSpans().AppendEmpty()
	for i := range spans {
		sp := ss.Spans().AppendEmpty()
		sp.SetTraceID([16]byte{1, byte(i), byte(i >> 8), 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE}) // no "49293911"
		sp.SetSpanID([8]byte{2, byte(i), byte(i >> 8), 0xEE, 0xEE})
		sp.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		sp.SetEndTimestamp(sp.StartTimestamp() + 1000)
		sp.SetName(p.next())
		sp.Status().SetMessage(p.next())
		sp.TraceState().FromRaw("v=" + p.next())
		p.fill(sp.Attributes())
		e := sp.Events().AppendEmpty()
		e.SetName(p.next())
		p.fill(e.Attributes())
		l := sp.Links().AppendEmpty()
		l.TraceState().FromRaw("v=" + p.next())
		p.fill(l.Attributes())
	}
	return td
}

func (p *planter) metrics(points int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "shop")
	p.fill(rm.Resource().Attributes())
	ms := rm.ScopeMetrics().AppendEmpty().Metrics()
	now := pcommon.NewTimestampFromTime(time.Now())
	gauge, sum, hist := ms.AppendEmpty(), ms.AppendEmpty(), ms.AppendEmpty()
	gauge.SetName("planted_gauge")
	gauge.SetDescription(p.next())
	gauge.SetEmptyGauge()
	sum.SetName("planted_sum")
	sum.SetEmptySum().SetIsMonotonic(true)
	sum.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	hist.SetName("planted_hist")
	hist.SetEmptyHistogram().SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	exemplar := func(e pmetric.Exemplar) {
		e.SetTimestamp(now)
		e.SetDoubleValue(1)
		e.FilteredAttributes().PutStr("who", p.next())
	}
	for i := range points {
		n := fmt.Sprint(i) // series stay apart
		g := gauge.Gauge().DataPoints().AppendEmpty()
		g.SetTimestamp(now)
		g.SetIntValue(1)
		g.Attributes().PutStr("n", n)
		p.fill(g.Attributes())
		s := sum.Sum().DataPoints().AppendEmpty()
		s.SetTimestamp(now)
		s.SetIntValue(1)
		s.Attributes().PutStr("n", n)
		p.fill(s.Attributes())
		exemplar(s.Exemplars().AppendEmpty())
		h := hist.Histogram().DataPoints().AppendEmpty()
		h.SetTimestamp(now)
		h.SetCount(1)
		h.SetSum(1)
		h.ExplicitBounds().FromRaw([]float64{1})
		h.BucketCounts().FromRaw([]uint64{1, 0})
		h.Attributes().PutStr("n", n)
		p.fill(h.Attributes())
		exemplar(h.Exemplars().AppendEmpty())
	}
	return md
}

// overlay prints all that passes to the log, and changes the scrubber's rules.
const overlay = `
processors:
  pii_scrubber: {%s}
exporters:
  debug: {verbosity: detailed, sampling_initial: 1000000}
service:
  pipelines:
    logs/debug: {receivers: [forward], exporters: [debug]}
    traces/debug: {receivers: [forward], exporters: [debug]}
    metrics/debug: {receivers: [forward], exporters: [debug]}
`

const piiKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// Ten thousand secrets in every place of every signal: none is in the TSDB, the lake, the log of the process (with all data printed
// to it), its metrics, its printed configuration or any other file of it. With the scrubber off they are in each store, so the search finds what is there.
func TestPlantedSecretsAreNowhere(t *testing.T) {
	for name, key := range map[string]string{"with a key": piiKey, "without": ""} {
		t.Run(name, func(t *testing.T) {
			found, planted := plantAndSearch(t, key, "", 600, 90, 90)
			require.GreaterOrEqual(t, planted, 10_000)
			for place, what := range found {
				assert.Empty(t, what, place)
			}
			t.Logf("%d secrets planted", planted)
		})
	}
	t.Run("off", func(t *testing.T) {
		found, _ := plantAndSearch(t, "", `default_action: "off", sensitive_keys: {action: "off"}`, 12, 3, 3)
		for _, place := range []string{"TSDB", "lake logs", "lake traces", "lake metrics", "log"} {
			assert.NotEmpty(t, found[place], place)
		}
		assert.Empty(t, found["configuration"])
	})
}

// plantAndSearch returns the canaries that it found by place, and how many secrets there were.
func plantAndSearch(t *testing.T, key, rules string, records, spans, points int) (found map[string][]string, planted int) {
	config := filepath.Join(t.TempDir(), "pii.yaml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, overlay, rules), 0o600))
	settings := process.Settings{Configs: []string{"profile:standalone", config}, Env: map[string]string{"PENSTOCK_PII_KEY": key},
		Args: []string{"--set=receivers::kafka_replay/lake::follow::range::max_wait=500ms"}}
	p := process.Start(t, settings)

	plant := &planter{}
	for _, batch := range []int{records / 2, records - records/2} {
		answer, err := send.Logs(p.HTTP(), plant.logs(batch))
		require.NoError(t, err)
		require.Equal(t, 200, answer.Status, answer.Body)
	}
	body, err := ptraceotlp.NewExportRequestFromTraces(plant.traces(spans)).MarshalProto()
	require.NoError(t, err)
	answer, err := send.Post(p.HTTP(), "/v1/traces", body, "Content-Type", "application/x-protobuf")
	require.NoError(t, err)
	require.Equal(t, 200, answer.Status, answer.Body)
	answer, err = send.Metrics(p.HTTP(), plant.metrics(points))
	require.NoError(t, err)
	require.Equal(t, 200, answer.Status, answer.Body)

	found = map[string][]string{}
	search := func(place, text string) {
		for _, shown := range []string{text, decoded(text)} {
			for _, c := range canaries {
				if i := strings.Index(shown, c); i >= 0 {
					found[place] = append(found[place], shown[max(0, i-80):min(len(shown), i+80)])
				}
			}
		}
	}
	ask.Eventually(t, func() error {
		n, err := ask.PromValue(p.TSDB(), `count(planted_gauge)+count({__name__=~"planted_sum(_total)?"})+count({__name__=~"planted_hist(_count)?"})`)
		if err == nil && n != float64(3*points) {
			err = fmt.Errorf("%v series of %d", n, 3*points)
		}
		return err
	})
	for _, path := range []string{"/api/v1/series?match[]={__name__!=%22%22}", "/api/v1/query_exemplars?query={__name__!=%22%22}&start=0&end=9999999999", "/api/v1/metadata"} {
		status, body, err := process.Fetch(context.Background(), "http://"+p.TSDB()+path)
		require.NoError(t, err)
		require.Equal(t, 200, status, body)
		search("TSDB", body)
	}
	_, body2, err := process.Fetch(context.Background(), "http://"+p.Telemetry()+"/metrics")
	require.NoError(t, err)
	search("metrics", body2)

	ask.AwaitLakeRows(t, p.Lake(), map[string]int64{"logs": int64(records), "traces": int64(spans)})
	ask.Eventually(t, func() error { // beside the host's
		stored := ask.LakeTexts(t, p.Lake(), "metrics", "metric_name")
		for _, name := range []string{"planted_gauge", "planted_sum", "planted_hist"} {
			if n := stored[name]; n < points {
				return fmt.Errorf("%d points of %s", n, name)
			}
		}
		return nil
	})
	p.Terminate(t)
	for _, signal := range []string{"logs", "traces", "metrics"} {
		rows, err := ask.SQL(t, "select to_json(t)::varchar from "+ask.Lake(p.Lake(), signal)+" t")
		require.NoError(t, err)
		for _, row := range rows {
			search("lake "+signal, row[0].(string))
		}
	}
	require.NoError(t, filepath.WalkDir(p.DataDir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		search("disk", string(content)) // queues, journal and write-ahead logs, as far as they aren't compressed
		return err
	}))
	search("log", p.Log())
	if key != "" {
		search("log", strings.ReplaceAll(p.Log(), key, "canary key"))
	}

	cmd := exec.Command(process.Binary(t), "print-config", "--config", "profile:standalone", "--config", config)
	cmd.Env = append(os.Environ(), "PENSTOCK_PII_KEY="+key)
	cmd.Dir = t.TempDir()
	printed, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	require.Contains(t, string(printed), "pii_scrubber")
	if key != "" && strings.Contains(string(printed), key) {
		found["configuration"] = append(found["configuration"], "the key")
	}
	return found, plant.n
}

var base64Run = regexp.MustCompile(`[A-Za-z0-9+/]{16,}`)

// decoded is what the runs of base64 in text stand for: bytes are shown so.
func decoded(text string) string {
	var all []byte
	for _, run := range base64Run.FindAllString(text, -1) {
		if b, err := base64.RawStdEncoding.DecodeString(run[:len(run)-len(run)%4]); err == nil {
			all = append(append(all, b...), '\n')
		}
	}
	return string(all)
}
