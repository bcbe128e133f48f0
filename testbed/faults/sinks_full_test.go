//go:build full

package faults

import (
	"context"

	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/testbed/backends/loki"
	"github.com/penstockhq/penstock/testbed/backends/prometheus"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// What a sink can do instead of its work. Others are statuses of HTTP.
const (
	hangs  = -1
	resets = -2
)

var moods = []int64{hangs, resets, http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusUnauthorized}

// moody stands in front of a store and does what its mood is; 0: it works.
type moody struct {
	*httptest.Server
	mood atomic.Int64
}

func newMoody(t *testing.T, store string) *moody {
	target, err := url.Parse(store)
	require.NoError(t, err)
	m := &moody{}
	work := httputil.NewSingleHostReverseProxy(target)
	work.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch now := m.mood.Load(); now {
		case 0:
			work.ServeHTTP(w, r)
		case hangs:
			_, _ = io.Copy(io.Discard, r.Body) // the end of the connection is noticed only behind the body
			<-r.Context().Done()
		case resets:
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.(*net.TCPConn).SetLinger(0)
				_ = conn.Close()
			}
		default:
			w.WriteHeader(int(now))
		}
	}))
	t.Cleanup(func() {
		m.CloseClientConnections()
		m.Close()
	})
	return m
}

// A standalone process with five sinks is ended by SIGTERM while those outside do whatever stores do instead of their work: a Prometheus behind remote
// write, a Loki, and an OTLP server. It ends in time, and at the end each of them has everything, logs some of it twice.
func TestSIGTERMWhateverTheSinksDo(t *testing.T) {
	inBatches(t, "standalone: SIGTERM whatever the sinks do", 0, whateverTheSinksDo)
}

func whateverTheSinksDo(b *batch) {
	t := b.t
	prom := prometheus.Configured(t, prometheus.Three, "storage: {tsdb: {out_of_order_time_window: 1h}}\n")
	logs := loki.Start(t, loki.Settings{})
	forward := gateway.New(t)
	stores := []*moody{newMoody(t, "http://"+prom.Address), newMoody(t, logs.URL())}
	a := startAlone(b, process.Settings{
		Env: map[string]string{"PENSTOCK_REMOTE_WRITE_URL": stores[0].URL + "/api/v1/write", "PENSTOCK_LOKI_URL": stores[1].URL, "PENSTOCK_OTLP_EXPORT_ENDPOINT": forward.Address},
		Args: []string{"--set=exporters::otlp_grpc/forward::timeout=2s", "--set=exporters::otlp_grpc/forward::retry_on_failure::max_interval=1s",
			"--set=exporters::loki::retry_on_failure::max_interval=1s", "--set=exporters::prometheus_tsdb/remote_write::retry_on_failure::max_interval=1s"},
	})
	for range b.rounds {
		a.passes(20)
		for _, s := range stores {
			s.mood.Store(moods[a.rng.IntN(len(moods))])
		}
		switch a.rng.IntN(3) {
		case 0:
			forward.Stop(t)
		case 1:
			forward.Decide(func(ctx context.Context, _ []string) error { <-ctx.Done(); return ctx.Err() })
		case 2:
			forward.Decide(func(context.Context, []string) error { return status.Error(codes.Unauthenticated, "not now") })
		}
		a.passes(20)
		begin := time.Now()
		a.p.Terminate(t)
		t.Logf("SIGTERM took %s while remote write, Loki did %d, %d", time.Since(begin).Round(time.Millisecond), stores[0].mood.Load(), stores[1].mood.Load())
		a.p.Restart(t)
		for _, s := range stores {
			s.mood.Store(0)
			s.CloseClientConnections()
		}
		forward.Decide(nil)
		forward.Stop(t)
		forward.Start(t)
	}
	a.end()
	a.inLake()
	for what, question := range map[string]func() (float64, error){
		"remote write": func() (float64, error) { return ask.PromValue(prom.Address, `sum(max_over_time(hits_total[1h]))`) },
		"Loki": func() (float64, error) {
			entries, err := logs.Query(t.Context(), "default", `{service_name="faults"}`, began, time.Now())
			lines := map[string]bool{}
			for _, e := range entries {
				lines[e.Line] = true
			}
			t.Logf("Loki: %d lines of %d different records", len(entries), len(lines))
			return float64(len(lines)), err
		},
		"OTLP": func() (float64, error) { return float64(len(forward.Bodies())), nil },
	} {
		ask.Eventually(t, func() error {
			got, err := question()
			if err == nil && got != a.items() {
				err = fmt.Errorf("%s has %v, sent were %v", what, got, a.items())
			}
			return err
		})
	}
	a.done(0)
}
