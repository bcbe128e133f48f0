package smoke

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// strictLoki has a max_line_size. As Loki does it stores the other entries of a push, and an entry that equals another only once.
type strictLoki struct {
	mu     sync.Mutex
	limit  int            // guarded by mu
	stored map[string]int // guarded by mu; by line
	seen   map[string]bool
}

func (l *strictLoki) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet { // A job asks for the limits.
		_, _ = fmt.Fprintln(w, "auth_enabled: true")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		body, err = snappy.Decode(nil, body)
	}
	var request push.PushRequest
	if err == nil {
		err = request.Unmarshal(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var refusals []string
	for _, s := range request.Streams {
		for _, e := range s.Entries {
			key := fmt.Sprint(s.Labels, e.Timestamp.UnixNano(), e.Line)
			switch {
			case len(e.Line) > l.limit:
				refusals = append(refusals, fmt.Sprintf("1 errors like: max entry size '%d' bytes exceeded for stream '%s' while adding an entry with length '%d' bytes", l.limit, s.Labels, len(e.Line)))
			case !l.seen[key]:
				l.seen[key] = true
				l.stored[e.Line]++
			}
		}
	}
	if len(refusals) > 0 {
		http.Error(w, strings.Join(refusals, "; "), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// missing names a line of all that is not stored exactly once.
func (l *strictLoki) missing(all []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range all {
		if n := l.stored[line]; n != 1 {
			return fmt.Errorf("%.20q is stored %d times", line, n)
		}
	}
	return nil
}

// Loki refuses some lines of requests that it takes in part. Exactly those are in the dead letter, live; a job counts exactly those; and when the
// limit is higher a job brings them from the dead letter into Loki, once.
func TestLinesThatLokiRefusesAreInTheDeadLetter(t *testing.T) {
	const requests, each = 10, 12
	l := &strictLoki{limit: 300, stored: map[string]int{}, seen: map[string]bool{}}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_LOKI_URL": server.URL, "PENSTOCK_LAKE_URL": "off"}})
	var short, long []string
	for i := range requests {
		ld := plog.NewLogs()
		for n := range each {
			line := fmt.Sprintf("%d-%d ", i, n)
			if n%4 == 1 {
				line += strings.Repeat("x", 300)
				long = append(long, line)
			} else {
				short = append(short, line)
			}
			lineOf("t", line).ResourceLogs().MoveAndAppendTo(ld.ResourceLogs())
		}
		answer, err := send.Logs(p.HTTP(), ld)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	}
	ask.Eventually(t, func() error { return l.missing(short) })
	ask.Eventually(t, func() error {
		n, err := ask.Metric(p.Telemetry(), "otelcol_exporter_loki_refused_entries", `reason="line_too_long"`)
		if err == nil && int(n) < len(long) {
			err = fmt.Errorf("%v entries are counted", n)
		}
		return err
	})
	n, err := ask.Metric(p.Telemetry(), "otelcol_receiver_kafka_replay_dead_letters", `reason="line_too_long"`, `signal="logs"`)
	require.NoError(t, err)
	assert.Positive(t, n)

	again := replay(t, p, `{"signal":"logs","from":"-1h"}`)
	ask.Eventually(t, func() error { return ended(p, again) })
	job, err := jobOf(p, again)
	require.NoError(t, err)
	assert.EqualValues(t, len(long), job.Status.Counts.RefusedItems)
	require.NoError(t, l.missing(short))

	l.mu.Lock()
	l.limit = 1000
	l.mu.Unlock()
	letters := replay(t, p, `{"signal":"logs","from":"-1h","source":"deadletter","headers":{"penstock-reason":"line_too_long*"}}`)
	ask.Eventually(t, func() error { return ended(p, letters) })
	require.NoError(t, l.missing(append(long, short...)))
	job, err = jobOf(p, letters)
	require.NoError(t, err)
	assert.Zero(t, job.Status.Counts.RefusedItems)
}

// Without a journal they are in files, those alone.
func TestLinesThatLokiRefusesAreInFiles(t *testing.T) {
	l := &strictLoki{limit: 300, stored: map[string]int{}, seen: map[string]bool{}}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	p := process.Start(t, process.Settings{Configs: []string{"profile:gateway"}, Env: map[string]string{"PENSTOCK_LOKI_URL": server.URL, "PENSTOCK_LAKE_URL": "off"}})
	ld := plog.NewLogs()
	for _, line := range []string{"short", strings.Repeat("long", 100), "short too"} {
		lineOf("t", line).ResourceLogs().MoveAndAppendTo(ld.ResourceLogs())
	}
	answer, err := send.Logs(p.HTTP(), ld)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	ask.Eventually(t, func() error { return l.missing([]string{"short", "short too"}) })
	ask.Eventually(t, func() error {
		files, err := filepath.Glob(filepath.Join(p.DataDir(), "deadletter", "*-logs-1-refused.pb"))
		if err != nil || len(files) != 1 {
			return fmt.Errorf("%v: %w", files, err)
		}
		text, err := os.ReadFile(files[0])
		if err != nil {
			return err
		}
		kept, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(text)
		if err == nil && kept.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Str() != strings.Repeat("long", 100) {
			err = errors.New("another line")
		}
		return err
	})
}

// memory_limiter refuses data after it was decoded; from then on requests are refused unread. The text of its error, by which nesting_limit knows it,
// is the collector's.
func TestHighMemoryIsRefusedUnread(t *testing.T) {
	p := process.Start(t, process.Settings{Args: []string{"--set=processors::memory_limiter::limit_mib=2", "--set=processors::memory_limiter::spike_limit_mib=1"}})
	ask.Eventually(t, func() error {
		answer, err := send.Logs(p.HTTP(), send.LogBatch("refused", 0, 1))
		if err != nil {
			return err
		}
		unread, err := ask.Metric(p.Telemetry(), "otelcol_extension_nesting_limit_refused_requests", `reason="memory"`)
		if err == nil && (answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || unread == 0) {
			err = fmt.Errorf("status %d, Retry-After %q, %v refused unread: %s", answer.Status, answer.Header.Get("Retry-After"), unread, answer.Body)
		}
		return err
	})
}
