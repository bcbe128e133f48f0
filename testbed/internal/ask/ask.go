// Package ask queries the stores: PromQL over HTTP, SQL over the lake's Parquet files, and the collector's own
// metrics. It returns plain values, so that a test can compare the sent data with the stored data.
package ask

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

// patience bounds how long Eventually waits on a loaded machine.
const patience = 2 * time.Minute

// Series is one element of an instant vector.
type Series struct {
	Labels map[string]string
	Value  float64
}

// PromQL returns the instant vector that the API at address (host:port) answers for query, at time at (zero: now).
func PromQL(address, query string, at time.Time) ([]Series, error) {
	results, err := promQL(address, query, at)
	if err != nil {
		return nil, err
	}
	var series []Series
	for _, r := range results {
		value, err := r.Value.number()
		if err != nil {
			return nil, fmt.Errorf("query %q: %w", query, err)
		}
		series = append(series, Series{Labels: r.Metric, Value: value})
	}
	return series, nil
}

// promSample is a sample in the API's JSON: its time, and its value as text.
type promSample [2]any

func (s promSample) number() (float64, error) {
	text, _ := s[1].(string)
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("value %v: %w", s, err)
	}
	return value, nil
}

type promResult struct {
	Metric map[string]string
	Value  promSample
	Values []promSample
}

func promQL(address, query string, at time.Time) ([]promResult, error) {
	form := url.Values{"query": {query}}
	if !at.IsZero() {
		form.Set("time", strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64))
	}
	status, body, err := process.Fetch(context.Background(), "http://"+address+"/api/v1/query?"+form.Encode())
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("query %q: status %d: %s", query, status, body)
	}
	var answer struct {
		Data struct{ Result []promResult }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("query %q: %w in %s", query, err, body)
	}
	return answer.Data.Result, nil
}

// PromIncrease returns the increase of the counters of query, a selector of samples such as hits_total[1h], since zero: a sample that is smaller
// than the previous one means that the counter restarted.
func PromIncrease(address, query string, at time.Time) (total float64, restarts int, err error) {
	results, err := promQL(address, query, at)
	if err != nil {
		return 0, 0, err
	}
	for _, r := range results {
		before := 0.0
		for _, s := range r.Values {
			value, err := s.number()
			if err != nil {
				return 0, 0, fmt.Errorf("query %q: %w", query, err)
			}
			if value < before {
				restarts++
				before = 0
			}
			total += value - before
			before = value
		}
	}
	return total, restarts, nil
}

// PromValue returns the single value that query answers now.
func PromValue(address, query string) (float64, error) {
	series, err := PromQL(address, query, time.Time{})
	if err != nil {
		return 0, err
	}
	if len(series) != 1 {
		return 0, fmt.Errorf("query %q: %d series, want 1", query, len(series))
	}
	return series[0].Value, nil
}

// Python returns the interpreter that `make testbed` made, and skips nothing: a test that needs it fails without it.
func Python(t testing.TB) string {
	t.Helper()
	path := os.Getenv("PENSTOCK_PYTHON")
	require.NotEmpty(t, path, "PENSTOCK_PYTHON is not set: run this through `make testbed`")
	return path
}

// sqlScript prints the rows of the query in argv as JSON, one list a row, and nothing else: a query of some seconds would draw its progress between.
const sqlScript = `
import sys, json, duckdb
db = duckdb.connect()
db.execute("SET enable_progress_bar = false")
rows = db.execute(sys.argv[1]).fetchall()
print(json.dumps(rows, default=str))
`

// SQL returns the rows that DuckDB answers for query. Numbers come as float64, other types as strings.
func SQL(t testing.TB, query string) ([][]any, error) {
	t.Helper()
	out, err := exec.Command(Python(t), "-c", sqlScript, query).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var rows [][]any
	if err := json.Unmarshal(out, &rows); err != nil {
		return nil, fmt.Errorf("%w in %s", err, out)
	}
	return rows, nil
}

// Metric returns the sum over the collector's own series named name whose labels contain every text of with.
// A metric that is not there yet counts as zero.
func Metric(address, name string, with ...string) (float64, error) {
	status, body, err := process.Fetch(context.Background(), "http://"+address+"/metrics")
	if err != nil {
		return 0, err
	}
	if status != http.StatusOK {
		return 0, fmt.Errorf("metrics: status %d", status)
	}
	var sum float64
lines:
	for line := range strings.SplitSeq(body, "\n") {
		rest, found := strings.CutPrefix(line, name)
		if !found || rest == "" || (rest[0] != '{' && rest[0] != ' ') {
			continue
		}
		for _, w := range with {
			if !strings.Contains(rest, w) {
				continue lines
			}
		}
		fields := strings.Fields(line)
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			return 0, fmt.Errorf("metrics: %q: %w", line, err)
		}
		sum += value
	}
	return sum, nil
}

// Eventually calls check until it returns nil, and fails the test with its last error when patience is over.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			require.NoError(t, err, "not so within %s", patience)
		}
		<-tick.C
	}
}
