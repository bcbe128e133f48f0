//go:build full

package victorialogs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
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

	"github.com/penstockhq/penstock/testbed/backends/victorialogs"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

const (
	records      = 480 // one each 15 s
	streamFields = "service.name,service.namespace,deployment.environment.name,k8s.namespace.name,k8s.container.name,host.name"
)

// corpus has records of four services: JSON, access logs, logfmt and what is unusual.
func corpus(base time.Time) plog.Logs {
	ld := plog.NewLogs()
	for i := range records {
		rl := ld.ResourceLogs().AppendEmpty()
		resource := rl.Resource().Attributes()
		resource.PutStr("service.name", []string{"api", "web", "job", "odd"}[i%4])
		resource.PutStr("deployment.environment.name", []string{"prod", "staging"}[i/4%2])
		resource.PutStr("host.name", fmt.Sprint("node-", i%3))
		resource.PutStr("k8s.pod.name", fmt.Sprint("pod-", i%5))
		sl := rl.ScopeLogs().AppendEmpty()
		sl.Scope().SetName("lib")
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(base.Add(time.Duration(i)*15*time.Second + time.Duration(i)*time.Microsecond)))
		lr.SetSeverityNumber([]plog.SeverityNumber{plog.SeverityNumberInfo, plog.SeverityNumberWarn, plog.SeverityNumberError, 0}[i%7%4])
		lr.SetTraceID(pcommon.TraceID{1, byte(i / 10)})
		attributes := lr.Attributes()
		attributes.PutInt("code", []int64{200, 200, 301, 404, 500}[i%5])
		attributes.PutInt("limit", 404)
		if i%3 == 0 {
			attributes.PutStr("took", []string{"90ms", "1.5s", "250ms", "3m"}[i/3%4])
			attributes.PutStr("size", []string{"512B", "12KB", "3MiB"}[i/3%3])
			attributes.PutDouble("ratio", float64(i%10)/10)
			attributes.PutBool("ok", i%2 == 0)
		}
		attributes.PutStr("client.address", fmt.Sprintf("10.0.0.%d", i%40))
		attributes.PutStr("release", fmt.Sprintf("v1.%d", i%6))
		switch i % 4 {
		case 0:
			attributes.PutStr("user.name", []string{"ann", "grüße", "bob"}[i/4%3])
			lr.Body().SetStr(fmt.Sprintf(`{"method":"%s","path":"/orders/%d","status":%d,"took_ms":%d,"tags":["a","b"],"deep":{"a":{"b":%d}},"user.name":"eve","level":"inner"}`,
				[]string{"GET", "POST"}[i/4%2], i, 200+i%5*100, i%130, i%9))
		case 1:
			lr.Body().SetStr(fmt.Sprintf(`10.0.0.%d - %s [14/Nov/2023:22:13:20 +0000] "%s /cart/%d HTTP/1.1" %d %d`, i%40, []string{"-", "frank"}[i/4%2], []string{"GET", "POST"}[i%2], i%7, 200+i%3*100, i*31))
		case 2:
			lr.Body().SetStr(fmt.Sprintf(`component=reader msg="order failed: step %d" err="out of stock" dur=%dms level=%s`, i, i*7%1500, []string{"info", "error"}[i/4%2]))
		case 3:
			lr.Body().SetStr([]string{fmt.Sprint("tick ", i), "\x1b[31merror\x1b[0m in red", "日本 語 🙂", `say "hi" back\slash`, "two\nlines", "order  out   of stock", "UPPER Order Failed"}[i/4%7])
			list := attributes.PutEmptySlice("list")
			for _, one := range []string{"one", "two", "three"}[:i/4%4] {
				list.AppendEmpty().SetStr(one)
			}
			attributes.PutEmptyMap("nested").PutEmptyMap("deep").PutStr("value", []string{"x", "y"}[i/4%2])
		}
	}
	return ld
}

// The same rows are in the binary's store and in a VictoriaLogs: each request of queries.txt has the same answer from both.
func TestEmbeddedLogsAnswerAsVictoriaLogs(t *testing.T) {
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_LAKE_URL": "off"}})
	embedded, peer := "http://"+p.Query(), victorialogs.Start(t)
	base := time.Now().Add(-2 * time.Hour).Truncate(time.Minute)
	sent, err := send.Logs(p.HTTP(), corpus(base))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, sent.Status, sent.Body)
	ask.Eventually(t, func() error { return has(embedded) })
	copyRows(t, embedded, peer)
	ask.Eventually(t, func() error { return has(peer) })

	text, err := os.ReadFile("testdata/queries.txt")
	require.NoError(t, err)
	compared := 0
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimRight(line, "\n"); line == "" || line[0] == '#' {
			continue
		}
		compared++
		want, got := answerTo(t, peer, base, line), answerTo(t, embedded, base, line)
		if !assert.Equal(t, want.status, got.status, "%s\nVictoriaLogs: %.300s\nembedded_logs: %.300s", line, want.body, got.body) || want.status != http.StatusOK {
			continue
		}
		assert.Equal(t, canonical(want.body), canonical(got.body), line)
	}
	t.Logf("%d requests", compared)
}

// has asks with a filter of streams: until the index of a day has a new stream, answers with _stream leave out its rows, now and then.
func has(root string) error {
	_, body, err := process.Fetch(context.Background(), root+"/select/logsql/query?"+url.Values{"query": {`{service.name=~".+"} | count() n`}}.Encode())
	if err == nil && !strings.Contains(body, `"n":"`+strconv.Itoa(records)+`"`) {
		err = fmt.Errorf("rows: %s", body)
	}
	return err
}

// copyRows stores the rows of one server in another, fields and all.
func copyRows(t *testing.T, from, to string) {
	t.Helper()
	status, rows, err := process.Fetch(t.Context(), from+"/select/logsql/query?"+url.Values{"query": {"* | delete _stream, _stream_id"}}.Encode())
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, rows)
	resp, err := http.Post(to+"/insert/jsonline?_stream_fields="+streamFields, "application/stream+json", bytes.NewReader([]byte(rows)))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

type answer struct {
	status int
	body   string
}

func answerTo(t *testing.T, root string, base time.Time, line string) answer {
	t.Helper()
	head, query, _ := strings.Cut(line, " :: ")
	words := strings.Fields(head)
	form := url.Values{"query": {query}, "start": {"0"}, "end": {"130"}}
	if words[0] == "stats_query" { // it has a time
		form.Del("start")
		form.Del("end")
	}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		if name == "start" || name == "end" || !form.Has(name) {
			form.Set(name, value)
		} else {
			form.Add(name, value)
		}
	}
	for _, name := range []string{"start", "end", "time"} {
		if minutes, err := strconv.ParseFloat(form.Get(name), 64); err == nil {
			form.Set(name, strconv.FormatInt(base.Add(time.Duration(minutes*float64(time.Minute))).UnixNano(), 10))
		}
	}
	resp, err := http.PostForm(root+"/select/logsql/"+words[0], form)
	require.NoError(t, err, line)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err, line)
	return answer{resp.StatusCode, string(body)}
}

// streamID is the id of a stream: the number of the tenant, and a hash.
var streamID = regexp.MustCompile(`"0000000[01]00000000([0-9a-f]{32})"`)

// fraction is a number of many digits: sums of the same numbers in another order differ in the last ones.
var fraction = regexp.MustCompile(`[0-9]+\.[0-9]{10,}`)

// canonical is an answer as sorted lines: neither server defines an order of rows, values or series where the query has none. The
// tenant's number is left out.
func canonical(body string) []string {
	var lines []string
	body = streamID.ReplaceAllString(body, `"$1"`)
	body = fraction.ReplaceAllStringFunc(body, func(text string) string {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return err.Error()
		}
		return strconv.FormatFloat(f, 'e', 10, 64)
	})
	for line := range strings.Lines(body) {
		var v any
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if d.Decode(&v) != nil {
			lines = append(lines, strings.TrimSpace(line))
			continue
		}
		text, err := json.Marshal(sorted(v))
		if err != nil {
			return []string{err.Error()}
		}
		lines = append(lines, string(text))
	}
	slices.Sort(lines)
	return lines
}

// sorted puts lists of objects into an order.
func sorted(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = sorted(inner)
		}
	case []any:
		texts := map[string]any{}
		keys := []string{}
		for _, inner := range v {
			if _, isObject := inner.(map[string]any); !isObject {
				return v
			}
			text, err := json.Marshal(sorted(inner))
			if err != nil {
				return err.Error()
			}
			texts[string(text)] = inner
			keys = append(keys, string(text))
		}
		slices.Sort(keys)
		all := []any{}
		for _, key := range keys {
			all = append(all, texts[key])
		}
		return all
	}
	return v
}
