//go:build full

package loki_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/backends/loki"
	"github.com/penstockhq/penstock/testbed/internal/ask"
)

// The embedded logs' Loki API is compared with these answers without Loki; here they are compared with Loki.
var answersDir = filepath.Join("..", "..", "..", "extensions", "embeddedlogsextension", "internal", "lokiapi", "testdata", "loki")

// base is the time of the first entry. Loki is configured to accept it.
var base = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

type storedEntry struct {
	Stream   map[string]string
	At       int64
	Line     string
	Metadata map[string]string
}

func readEntries(t *testing.T) []storedEntry {
	t.Helper()
	file, err := os.Open(filepath.Join(answersDir, "entries.jsonl"))
	require.NoError(t, err)
	defer file.Close()
	var all []storedEntry
	for decoder := json.NewDecoder(file); ; {
		var e storedEntry
		if err := decoder.Decode(&e); err == io.EOF {
			return all
		}
		require.NoError(t, err)
		all = append(all, e)
	}
}

// pushEntries stores entries without a part of Penstock.
func pushEntries(t *testing.T, server *loki.Server, entries []storedEntry) {
	t.Helper()
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][3]any          `json:"values"`
	}
	var request struct {
		Streams []stream `json:"streams"`
	}
	for _, e := range entries {
		metadata := e.Metadata
		if metadata == nil {
			metadata = map[string]string{}
		}
		request.Streams = append(request.Streams, stream{e.Stream, [][3]any{{strconv.FormatInt(base.UnixNano()+e.At, 10), e.Line, metadata}}})
	}
	body, err := json.Marshal(request)
	require.NoError(t, err)
	post, err := http.NewRequest(http.MethodPost, server.URL()+"/loki/api/v1/push", bytes.NewReader(body))
	require.NoError(t, err)
	post.Header.Set("X-Scope-OrgID", tenant)
	post.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(post)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, resp.StatusCode, "%s", text)
}

// answer is what Loki said to one line of queries.txt.
type answer struct {
	Request string          `json:"request"`
	Status  int             `json:"status"`
	Text    string          `json:"text,omitempty"`
	JSON    json.RawMessage `json:"json,omitempty"`
}

// request builds one from a line of queries.txt: path, parameters, " :: ", query. Times are minutes after base.
func request(t *testing.T, root string, base time.Time, line string) *http.Request {
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
	r, err := http.NewRequest(http.MethodGet, root+"/loki/api/v1/"+words[0]+"?"+form.Encode(), nil)
	require.NoError(t, err)
	r.Header.Set("X-Scope-OrgID", tenant)
	if categorize {
		r.Header.Set("X-Loki-Response-Encoding-Flags", "categorize-labels")
	}
	return r
}

func answerTo(t *testing.T, root string, base time.Time, line string) answer {
	t.Helper()
	resp, err := http.DefaultClient.Do(request(t, root, base, line))
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	a := answer{Request: line, Status: resp.StatusCode}
	var parsed map[string]any
	if json.Unmarshal(body, &parsed) != nil {
		a.Text = strings.TrimSpace(string(body))
		return a
	}
	if data, ok := parsed["data"].(map[string]any); ok {
		delete(data, "stats") // times
	}
	a.JSON, err = json.Marshal(parsed)
	require.NoError(t, err)
	return a
}

func requests(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(answersDir, "queries.txt"))
	require.NoError(t, err)
	var all []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			all = append(all, line)
		}
	}
	return all
}

// PENSTOCK_WRITE_GOLDEN=1 records.
func TestAnswersAreLokis(t *testing.T) {
	// The time of the entries is fixed, and old by the time of the test.
	server := loki.Start(t, loki.Settings{Limits: "{reject_old_samples: false, volume_enabled: true}"})
	entries := readEntries(t)
	pushEntries(t, server, entries)
	ask.Eventually(t, func() error {
		n, err := server.Count(t.Context(), tenant, `sum(count_over_time({service_name=~".+"}[2h]))`, base.Add(time.Hour))
		if err == nil && int(n) != len(entries) {
			err = fmt.Errorf("%v entries", n)
		}
		return err
	})
	var recorded bytes.Buffer
	packed := gzip.NewWriter(&recorded)
	encoder := json.NewEncoder(packed)
	encoder.SetEscapeHTML(false)
	file := filepath.Join(answersDir, "answers.jsonl.gz")
	if os.Getenv("PENSTOCK_WRITE_GOLDEN") != "" {
		for _, line := range requests(t) {
			require.NoError(t, encoder.Encode(answerTo(t, server.URL(), base, line)))
		}
		require.NoError(t, packed.Close())
		require.NoError(t, os.WriteFile(file, recorded.Bytes(), 0o644))
		return
	}
	opened, err := os.Open(file)
	require.NoError(t, err)
	defer opened.Close()
	unpacked, err := gzip.NewReader(opened)
	require.NoError(t, err)
	scanner := bufio.NewScanner(unpacked)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		var want answer
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &want))
		got := answerTo(t, server.URL(), base, want.Request)
		assert.Equal(t, want.Status, got.Status, want.Request)
		assert.Equal(t, canonical(t, want), canonical(t, got), want.Request)
	}
	require.NoError(t, scanner.Err())
}

// errorDetails are in other words than Loki's.
const errorDetails = "__error_details__"

// canonical is an answer as lines, each a line of a log or a value, in a fixed order: Loki defines none for equal times and for series.
func canonical(t *testing.T, a answer) []string {
	t.Helper()
	if a.JSON == nil {
		return nil // error texts differ; their status is compared
	}
	var body struct {
		Data struct {
			ResultType string
			Result     []struct {
				Stream, Metric map[string]string
				Values         [][]any
				Value          []any
			}
		}
	}
	if json.Unmarshal(a.JSON, &body) != nil || body.Data.ResultType == "" {
		var all struct{ Data []any }
		if json.Unmarshal(a.JSON, &all) != nil {
			return []string{string(a.JSON)}
		}
		lines := []string{}
		for _, one := range all.Data {
			lines = append(lines, fmt.Sprint(one))
		}
		slices.Sort(lines)
		return lines
	}
	lines := []string{body.Data.ResultType}
	for _, r := range body.Data.Result {
		delete(r.Stream, errorDetails)
		if r.Value != nil {
			r.Values = append(r.Values, r.Value)
		}
		for _, v := range r.Values {
			if text, isText := v[1].(string); isText && body.Data.ResultType != "streams" {
				f, err := strconv.ParseFloat(text, 64)
				require.NoError(t, err)
				v[1] = strconv.FormatFloat(f, 'e', 10, 64) // sums of the same numbers in another order
			}
			if len(v) == 3 { // the categories of labels
				if parsed, ok := v[2].(map[string]any)["parsed"].(map[string]any); ok {
					delete(parsed, errorDetails)
				}
			}
			lines = append(lines, fmt.Sprint(r.Stream, r.Metric, v))
		}
	}
	slices.Sort(lines)
	return lines
}
