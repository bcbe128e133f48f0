package lokiexporter

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/metadata"
)

// usualLogs makes resources × records of a web service: 8 resource and 6 record attributes.
func usualLogs(resources, records int) plog.Logs {
	random := rand.New(rand.NewPCG(1, 2))
	ld := plog.NewLogs()
	begin := time.Now()
	for r := range resources {
		rl := ld.ResourceLogs().AppendEmpty()
		attributes := rl.Resource().Attributes()
		attributes.PutStr("service.name", fmt.Sprintf("service-%d", r))
		attributes.PutStr("service.namespace", "shop")
		attributes.PutStr("deployment.environment.name", "production")
		attributes.PutStr("k8s.namespace.name", "shop")
		attributes.PutStr("k8s.pod.name", fmt.Sprintf("service-%d-7d9c5b6f4-x2x7p", r))
		attributes.PutStr("k8s.node.name", "node-17.eu-central-1.internal")
		attributes.PutStr("telemetry.sdk.language", "go")
		attributes.PutStr("telemetry.sdk.version", "1.45.0")
		sl := rl.ScopeLogs().AppendEmpty()
		sl.Scope().SetName("github.com/example/shop/http")
		for i := range records {
			lr := sl.LogRecords().AppendEmpty()
			lr.SetTimestamp(pcommon.NewTimestampFromTime(begin.Add(time.Duration(i) * time.Microsecond)))
			lr.SetSeverityNumber(plog.SeverityNumber(9 + 4*(i%3)))
			lr.SetSeverityText("INFO")
			var id [24]byte
			for at := 0; at < len(id); at += 8 {
				binary.LittleEndian.PutUint64(id[at:], random.Uint64())
			}
			lr.SetTraceID([16]byte(id[:16]))
			lr.SetSpanID([8]byte(id[16:]))
			order := random.IntN(100000)
			lr.Body().SetStr(fmt.Sprintf("GET /api/v1/orders/%d handled in %d ms, 3 rows from the replica, cache miss for key order:%d", order, i%97, order))
			a := lr.Attributes()
			a.PutStr("http.request.method", "GET")
			a.PutStr("http.route", "/api/v1/orders/{id}")
			a.PutInt("http.response.status_code", 200)
			a.PutInt("duration_ms", int64(i%97))
			a.PutStr("user.id", fmt.Sprintf("user-%d", random.IntN(1000)))
			a.PutStr("client.address", fmt.Sprintf("10.1.%d.%d", random.IntN(200), random.IntN(200)))
		}
	}
	return ld
}

// BenchmarkPush is the whole exporter against a server that only reads. Records
// a second are b.N's, of one caller.
func BenchmarkPush(b *testing.B) {
	var wire atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		wire.Add(n)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	for _, encoding := range []string{encodingProtobuf, encodingJSON} {
		for _, size := range []struct{ resources, records int }{{1, 1000}, {10, 1000}, {100, 10}} {
			b.Run(fmt.Sprintf("%s/resources=%d/records=%d", encoding, size.resources, size.records), func(b *testing.B) {
				cfg := createDefaultConfig().(*Config)
				cfg.ClientConfig.Endpoint = server.URL
				cfg.Encoding = encoding
				logs, err := NewFactory().CreateLogs(b.Context(), exportertest.NewNopSettings(metadata.Type), cfg)
				if err != nil {
					b.Fatal(err)
				}
				if err := logs.Start(b.Context(), componenttest.NewNopHost()); err != nil {
					b.Fatal(err)
				}
				defer func() { _ = logs.Shutdown(context.WithoutCancel(b.Context())) }()
				ld := usualLogs(size.resources, size.records)
				b.ReportAllocs()
				wire.Store(0)
				for b.Loop() {
					if err := logs.ConsumeLogs(b.Context(), ld); err != nil {
						b.Fatal(err)
					}
				}
				records := float64(b.N * size.resources * size.records)
				b.ReportMetric(records/b.Elapsed().Seconds(), "records/s")
				b.ReportMetric(float64(wire.Load())/records, "wire-B/record")
			})
		}
	}
}

// BenchmarkTranslate compares with the usual way: push types, Marshal, snappy. It has neither
// sorting nor limits nor a limit of streams.
func BenchmarkTranslate(b *testing.B) {
	ld := usualLogs(1, 1000)
	cfg := createDefaultConfig().(*Config)
	e, err := newLokiExporter(cfg, exportertest.NewNopSettings(metadata.Type))
	if err != nil {
		b.Fatal(err)
	}
	e.pusher = &pusher{encoding: encodingProtobuf}
	b.Run("penstock", func(b *testing.B) {
		b.ReportAllocs()
		w := e.workspace()
		for b.Loop() {
			now := time.Now()
			w.reset(now)
			s := &sending{exporter: e, ctx: b.Context(), workspace: w, now: now}
			batches := e.translate(b.Context(), ld, w, s)
			for _, st := range batches[0].streams {
				w.plain = s.encode(w.plain[:0], request{{st, 0, len(st.entries)}})
				var err error
				if w.compressed, err = e.pusher.encode(w.compressed, w.plain); err != nil {
					b.Fatal(err)
				}
			}
			w.recycle(batches)
			w.release()
		}
	})
	b.Run("push types", func(b *testing.B) {
		b.ReportAllocs()
		names := newNames()
		for b.Loop() {
			streams := map[string]*push.Stream{}
			for _, rl := range ld.ResourceLogs().All() {
				for _, sl := range rl.ScopeLogs().All() {
					for _, lr := range sl.LogRecords().All() {
						var pairs push.LabelsAdapter
						add := func(key, value string) {
							pairs = append(pairs, push.LabelAdapter{Name: names.of(key).text, Value: value})
						}
						add("trace_id", lr.TraceID().String())
						add("span_id", lr.SpanID().String())
						add("severity_text", lr.SeverityText())
						add("scope_name", sl.Scope().Name())
						for key, v := range lr.Attributes().All() {
							flatten(key, v, add)
						}
						for key, v := range rl.Resource().Attributes().All() {
							flatten(key, v, add)
						}
						text := `{level="` + levelOf(lr) + `", service_name="service-0"}`
						st, ok := streams[text]
						if !ok {
							st = &push.Stream{Labels: text}
							streams[text] = st
						}
						st.Entries = append(st.Entries, push.Entry{Timestamp: lr.Timestamp().AsTime(), Line: lr.Body().AsString(), StructuredMetadata: pairs})
					}
				}
			}
			for _, st := range streams {
				out, err := (&push.PushRequest{Streams: []push.Stream{*st}}).Marshal()
				if err != nil {
					b.Fatal(err)
				}
				_ = snappy.Encode(nil, out)
			}
		}
	})
}
