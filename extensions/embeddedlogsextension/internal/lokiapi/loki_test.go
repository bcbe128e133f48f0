package lokiapi_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlengine"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqltest"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/lokiapi"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/lokisource"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/lokiview"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// dir has entries, requests, and what Loki 3.7.8 answered. testbed/backends/loki records the answers and compares them with Loki.
var dir = filepath.Join("testdata", "loki")

var base = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

func labelsOf(m map[string]string) logqlpipeline.Labels {
	var all []logqlpipeline.Label
	for name, value := range m {
		all = append(all, logqlpipeline.Label{Name: name, Value: value})
	}
	return logqlpipeline.NewLabels(all...)
}

type entry struct {
	Stream   map[string]string
	At       int64
	Line     string
	Metadata map[string]string
}

func readEntries(t testing.TB) []entry {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, "entries.jsonl"))
	require.NoError(t, err)
	defer file.Close()
	var all []entry
	for decoder := json.NewDecoder(file); ; {
		var e entry
		if err := decoder.Decode(&e); err == io.EOF {
			return all
		}
		require.NoError(t, err)
		all = append(all, e)
	}
}

func inMemory(t testing.TB) logqltest.Source {
	t.Helper()
	detector := lokiview.NewLevelDetector()
	var all logqltest.Source
	for _, e := range readEntries(t) {
		stream, metadata := labelsOf(e.Stream), labelsOf(e.Metadata)
		level := detector.Detect(stream, metadata, e.Line)
		all = append(all, logqlpipeline.Entry{
			Time: base.UnixNano() + e.At, Line: e.Line, Stream: stream,
			Metadata: logqlpipeline.NewLabels(append(metadata, logqlpipeline.Label{Name: lokiview.DetectedLevelLabel, Value: level})...),
		})
	}
	return all
}

// inStore are the entries as the log records from which the loki exporter would make them.
func inStore(t testing.TB) logqlengine.Source {
	t.Helper()
	ld := plog.NewLogs()
	for _, e := range readEntries(t) {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", e.Stream[lokiview.ServiceName])
		if v := e.Stream[lokiview.Environment]; v != "" {
			rl.Resource().Attributes().PutStr("deployment.environment.name", v)
		}
		lr := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.Timestamp(base.UnixNano() + e.At))
		lr.Body().SetStr(e.Line)
		for name, value := range e.Metadata {
			if name == "severity_number" {
				n, err := strconv.Atoi(value)
				require.NoError(t, err)
				lr.SetSeverityNumber(plog.SeverityNumber(n))
				continue
			}
			lr.Attributes().PutStr(name, value)
		}
	}
	s, err := store.Open(store.Settings{
		Directory: t.TempDir(), Retention: 100 * 365 * 24 * time.Hour, MaxTenants: 4, Memory: 64 << 20, Log: zap.NewNop(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	_, err = s.AddLogs(t.Context(), ld, store.Batch{Received: time.Now(), TenantOf: func(pcommon.Map) string { return "a" }})
	require.NoError(t, err)
	source := &lokisource.Source{Store: s, View: store.View{Tenant: "a"}}
	require.Eventually(t, func() bool {
		found := int64(0)
		err := source.Streams(t.Context(), logqlengine.Selection{From: base.UnixNano(), To: base.Add(time.Hour).UnixNano()}, func(s logqlengine.Stream) error {
			found += s.Entries
			return nil
		})
		return err == nil && found == int64(ld.LogRecordCount())
	}, time.Minute, 50*time.Millisecond)
	return source
}

type open struct{}

func (open) Enter(context.Context) (func(), error) { return func() {}, nil }

func handler(source logqlengine.Source) http.Handler {
	api := lokiapi.New(lokiapi.Settings{
		Source: func(*http.Request) (logqlengine.Source, error) { return source, nil },
		Limits: logqlengine.DefaultLimits, Version: "test", MaxLength: 1 << 16, Refused: func(string) {}, Queries: open{}, Tails: open{},
	})
	mux := http.NewServeMux()
	for _, route := range api.Routes() {
		mux.HandleFunc(route.Path, route.Handler)
	}
	return mux
}

// request makes one of a line: path, parameters, " :: ", query. Times are minutes behind base.
func request(t testing.TB, line string) *http.Request {
	t.Helper()
	head, query, hasQuery := strings.Cut(line, " :: ")
	words := strings.Fields(head)
	form := url.Values{}
	if hasQuery {
		form.Set("query", query)
	}
	minutes := func(text string) string {
		n, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err, line)
		return strconv.FormatInt(base.UnixNano()+int64(n*float64(time.Minute)), 10)
	}
	categorize := false
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "start", "end", "time":
			form.Set(name, minutes(value))
		case "categorize":
			categorize = true
		default:
			form.Add(name, value)
		}
	}
	if words[0] != "query" && form.Get("end") == "" {
		form.Set("end", minutes("60"))
	}
	if words[0] != "query" && form.Get("start") == "" {
		form.Set("start", minutes("0"))
	}
	r := httptest.NewRequest(http.MethodGet, "/loki/api/v1/"+words[0]+"?"+form.Encode(), nil)
	if categorize {
		r.Header.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	}
	return r
}

type recorded struct {
	Request string
	Status  int
	Text    string
	JSON    json.RawMessage
}

func answers(t testing.TB) []recorded {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, "answers.jsonl.gz"))
	require.NoError(t, err)
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	require.NoError(t, err)
	scanner := bufio.NewScanner(unpacked)
	scanner.Buffer(nil, 16<<20)
	var all []recorded
	for scanner.Scan() {
		var r recorded
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &r))
		all = append(all, r)
	}
	require.NoError(t, scanner.Err())
	return all
}

// differences are the requests whose answers are meant to differ, with the reason.
func differences(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "differences.txt"))
	require.NoError(t, err)
	all := map[string]string{}
	reason := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			reason = strings.TrimSpace(line[1:])
		} else if line != "" {
			all[line] = reason
		}
	}
	return all
}

// The same entries, the same requests, the same answers: streams with their lines, series with their values, labels, refusals.
func TestAnswersAreLokis(t *testing.T) { compareWithLoki(t, handler(inMemory(t))) }

func TestAnswersFromTheStoreAreLokis(t *testing.T) { compareWithLoki(t, handler(inStore(t))) }

func compareWithLoki(t *testing.T, serve http.Handler) {
	t.Helper()
	differ := differences(t)
	all := answers(t)
	require.Greater(t, len(all), 250)
	for _, want := range all {
		w := httptest.NewRecorder()
		serve.ServeHTTP(w, request(t, want.Request))
		same := w.Code == want.Status
		wanted, got := want.Text, w.Body.String()
		if same && want.Status == http.StatusOK {
			wanted, got = canonical(t, want.Request, want.JSON), canonical(t, want.Request, w.Body.Bytes())
			same = wanted == got
		}
		if reason, known := differ[want.Request]; known {
			assert.False(t, same, "%s: does not differ any more: %s", want.Request, reason)
			delete(differ, want.Request)
			continue
		}
		if !same {
			t.Errorf("%s\n%d, Loki %d\n%s", want.Request, w.Code, want.Status, firstDifference(got, wanted))
		}
	}
	assert.Empty(t, differ, "no such requests")
}

// firstDifference shows the lines that only one of them has.
func firstDifference(got, want string) string {
	have, need := strings.Split(got, "\n"), strings.Split(want, "\n")
	var out strings.Builder
	shown := 0
	for _, side := range []struct {
		name        string
		mine, other []string
	}{{"ours", have, need}, {"Loki's", need, have}} {
		for _, line := range side.mine {
			if !slices.Contains(side.other, line) && shown < 16 {
				shown++
				fmt.Fprintf(&out, "%s: %s\n", side.name, line)
			}
		}
		shown = 0
	}
	return out.String()
}

// canonical is an answer as text, one line for each line, value or label. What has no order in Loki is sorted.
func canonical(t testing.TB, request string, text []byte) string {
	t.Helper()
	var body struct {
		Status string
		Data   json.RawMessage
	}
	require.NoError(t, json.Unmarshal(text, &body), "%s", text)
	var data struct {
		ResultType    string
		EncodingFlags []string
		Result        json.RawMessage
	}
	if json.Unmarshal(body.Data, &data) != nil || data.ResultType == "" {
		return sortedJSON(t, text)
	}
	lines := []string{}
	switch data.ResultType {
	case "streams":
		var streams []struct {
			Stream json.RawMessage
			Values [][]json.RawMessage
		}
		require.NoError(t, json.Unmarshal(data.Result, &streams))
		for _, s := range streams {
			for _, v := range s.Values {
				line := sortedJSON(t, s.Stream)
				for _, part := range v {
					line += " " + sortedJSON(t, part)
				}
				lines = append(lines, line)
			}
			inOrder(t, request, s.Values)
		}
	case "scalar":
		lines = append(lines, string(data.Result))
	default:
		lines = seriesLines(t, data.Result)
	}
	for i := range lines {
		lines[i] = details.ReplaceAllString(lines[i], "$1...")
	}
	if !strings.Contains(request, ":: sort") {
		slices.Sort(lines)
	}
	return data.ResultType + strings.Join(data.EncodingFlags, ",") + "\n" + strings.Join(lines, "\n")
}

// details of errors are in other words than Loki's.
var details = regexp.MustCompile(`("__error_details__":")(?:[^"\\]|\\.)*`)

func seriesLines(t testing.TB, result json.RawMessage) (lines []string) {
	var series []struct {
		Metric json.RawMessage
		Value  []any
		Values [][]any
	}
	require.NoError(t, json.Unmarshal(result, &series))
	for _, s := range series {
		values := s.Values
		if s.Value != nil {
			values = append(values, s.Value)
		}
		for _, v := range values {
			f, err := strconv.ParseFloat(v[1].(string), 64)
			require.NoError(t, err)
			if !math.IsNaN(f) && !math.IsInf(f, 0) { // sums of the same numbers in another order
				f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'e', 10, 64), 64)
			}
			lines = append(lines, fmt.Sprintf("%s %.3f %v", sortedJSON(t, s.Metric), v[0], f))
		}
	}
	return lines
}

// inOrder checks that the lines of a stream stand in the direction of the query.
func inOrder(t testing.TB, request string, values [][]json.RawMessage) {
	sign := -1
	if strings.Contains(request, "direction=forward") {
		sign = 1
	}
	assert.True(t, slices.IsSortedFunc(values, func(a, b []json.RawMessage) int {
		return sign * cmp.Compare(string(a[0]), string(b[0]))
	}), request)
}

func sortedJSON(t testing.TB, text []byte) string {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(text, &v), "%s", text)
	if m, ok := v.(map[string]any); ok {
		if list, ok := m["data"].([]any); ok {
			slices.SortFunc(list, func(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	}
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return string(out)
}
