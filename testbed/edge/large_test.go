package edge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// around returns 50 small records with one of size bytes in the middle.
func around(first, size int) plog.Logs {
	logs := send.LogBatch("edge", first, 51)
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(25).Body().SetStr(
		fmt.Sprintf("large %d ", first) + strings.Repeat("x", size))
	return logs
}

func span(name string, size int) ptrace.Traces {
	traces := ptrace.NewTraces()
	rs := traces.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "edge")
	s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	s.SetName(name)
	s.SetTraceID(pcommon.TraceID{1, byte(size), byte(size >> 8)})
	s.SetSpanID(pcommon.SpanID{1, byte(size)})
	now := time.Now()
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(now))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(now))
	s.Attributes().PutStr("payload", strings.Repeat("y", size))
	return traces
}

// exemplars returns a metric whose single point has size bytes of exemplars.
func exemplars(name string, size int) pmetric.Metrics {
	metrics := pmetric.NewMetrics()
	rm := metrics.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "edge")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(name)
	p := m.SetEmptyGauge().DataPoints().AppendEmpty()
	now := pcommon.NewTimestampFromTime(time.Now())
	p.SetTimestamp(now)
	p.SetDoubleValue(1)
	for range 100 {
		e := p.Exemplars().AppendEmpty()
		e.SetTimestamp(now)
		e.SetDoubleValue(1)
		e.FilteredAttributes().PutStr("text", strings.Repeat("z", size/100))
	}
	return metrics
}

func traces(t *testing.T, p *process.Process, traces ptrace.Traces) {
	t.Helper()
	body, err := ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
	require.NoError(t, err)
	answer, err := send.Post(p.HTTP(), "/v1/traces", body, "Content-Type", "application/x-protobuf")
	require.NoError(t, err)
	require.Equal(t, 200, answer.Status, answer.Body)
}

func takes(t *testing.T, answer send.Answer, err error) {
	t.Helper()
	require.NoError(t, err)
	require.Equal(t, 200, answer.Status, answer.Body)
}

const mib = 1 << 20

// A record, a span or a point of 5 to 19 MiB comes through the agent's queue, and so do the small ones around it.
func TestLargeItemsPassTheAgent(t *testing.T) {
	g := gateway.New(t)
	p := agent(t, g)
	p.Begin(t)
	p.AwaitHealthy(t)
	sizes := []int{mib, 4 * mib, 5 * mib, 12 * mib, 19 * mib}
	for i, size := range sizes {
		answer, err := send.Logs(p.HTTP(), around(i*51, size))
		takes(t, answer, err)
		traces(t, p, span(fmt.Sprintf("span %d", i), size))
		answer, err = send.Metrics(p.HTTP(), exemplars(fmt.Sprintf("metric_%d", i), size))
		takes(t, answer, err)
	}
	// 1000 resources in one request, each with its own record.
	many := plog.NewLogs()
	for i := range 1000 {
		send.LogBatch(fmt.Sprintf("service %d", i), 1000+i, 1).ResourceLogs().MoveAndAppendTo(many.ResourceLogs())
	}
	answer, err := send.Logs(p.HTTP(), many)
	takes(t, answer, err)
	ask.Eventually(t, func() error {
		bodies, spans, metrics := g.Bodies(), g.Spans(), g.Metrics()
		for i, size := range sizes {
			large := 0
			for body, n := range bodies {
				if strings.HasPrefix(body, fmt.Sprintf("large %d ", i*51)) && len(body) > size {
					large += n
				}
			}
			if large < 1 || spans[fmt.Sprintf("span %d", i)] < 1 || metrics[fmt.Sprintf("metric_%d", i)] < 1 { // on a slow machine some twice
				return fmt.Errorf("%d bytes: %d records, %d spans, %d metrics", size, large, spans[fmt.Sprintf("span %d", i)], metrics[fmt.Sprintf("metric_%d", i)])
			}
		}
		if want := len(sizes)*51 + 1000; len(bodies) != want {
			return fmt.Errorf("%d of %d records", len(bodies), want)
		}
		return nil
	})
	p.Terminate(t)
}

// A third-party server accepts 4 MiB: a larger item becomes a dead letter, alone.
func TestAForeignServersLimitCostsTheItemAlone(t *testing.T) {
	g := gateway.New(t)
	g.Stop(t)
	g.MaxMessage = 4 * mib
	g.Start(t)
	p := agent(t, g)
	p.Begin(t)
	p.AwaitHealthy(t)
	answer, err := send.Logs(p.HTTP(), around(0, 5*mib))
	takes(t, answer, err)
	traces(t, p, span("too large", 5*mib))
	traces(t, p, span("small", 10))
	answer, err = send.Metrics(p.HTTP(), exemplars("too_large", 5*mib))
	takes(t, answer, err)
	ask.Eventually(t, func() error {
		for _, signal := range []string{"logs", "metrics", "traces"} {
			n, err := ask.Metric(p.Telemetry(), "otelcol_extension_dead_letter_items", `reason="too_large"`, `signal="`+signal+`"`)
			if err == nil && n != 1 {
				err = fmt.Errorf("%v %s are dead letters", n, signal)
			}
			if err != nil {
				return err
			}
		}
		if n := len(g.Bodies()); n != 50 || g.Spans()["small"] != 1 {
			return fmt.Errorf("%d records, spans %v", n, g.Spans())
		}
		return nil
	})
	assert.Len(t, deadLetters(t, p)["too_large"], 1)
	p.Terminate(t)
}

// The same items through the gateway's journal, and out of it again.
func TestLargeItemsPassTheJournal(t *testing.T) {
	g := gateway.New(t)
	p := process.Start(t, process.Settings{Configs: []string{"profile:standalone"},
		Args: []string{"--set=exporters::otlp_grpc/forward::compression=gzip"},
		Env:  map[string]string{"PENSTOCK_OTLP_EXPORT_ENDPOINT": g.Address}})
	sizes := []int{1_100_000, 5 * mib, 19 * mib}
	for i, size := range sizes {
		answer, err := send.Logs(p.HTTP(), around(i*51, size))
		takes(t, answer, err)
		traces(t, p, span(fmt.Sprintf("span %d", i), size))
		answer, err = send.Metrics(p.HTTP(), exemplars(fmt.Sprintf("metric_%d", i), size))
		takes(t, answer, err)
	}
	ask.Eventually(t, func() error {
		bodies, spans, metrics := g.Bodies(), g.Spans(), g.Metrics()
		if len(bodies) != len(sizes)*51 {
			return fmt.Errorf("%d of %d records", len(bodies), len(sizes)*51)
		}
		for i := range sizes {
			if spans[fmt.Sprintf("span %d", i)] < 1 || metrics[fmt.Sprintf("metric_%d", i)] < 1 {
				return fmt.Errorf("spans %v, metrics %v", spans, metrics)
			}
		}
		return nil
	})
	ask.Eventually(t, func() error { // and none is in the dead letter
		n, err := ask.Metric(p.Telemetry(), "otelcol_processor_kafka_replay_dead_letters")
		if err == nil && n != 0 {
			err = fmt.Errorf("%v dead letters", n)
		}
		return err
	})
	p.Terminate(t)
}

// An item that no later hop takes is refused at the front door, alone, in each encoding of OTLP: a partial success names it, a counter counts it, and
// the others arrive.
func TestAnItemBeyondTheLimitIsRefusedAlone(t *testing.T) {
	g := gateway.New(t)
	came := 0 // times that each neighbour must have come
	for name, p := range map[string]*process.Process{"agent": agent(t, g), "gateway": bare(t, g, map[string]string{"PENSTOCK_LAKE_URL": "off"}),
		"standalone": process.New(t, process.Settings{Env: map[string]string{"PENSTOCK_OTLP_EXPORT_ENDPOINT": g.Address, "PENSTOCK_LAKE_URL": "off"}})} {
		p.Begin(t)
		p.AwaitHealthy(t)
		request := plogotlp.NewExportRequestFromLogs(around(0, 21*mib))
		protobuf, err := request.MarshalProto()
		require.NoError(t, err)
		text, err := request.MarshalJSON()
		require.NoError(t, err)
		answer, err := send.Post(p.HTTP(), "/v1/logs", protobuf, "Content-Type", "application/x-protobuf")
		takes(t, answer, err)
		response := plogotlp.NewExportResponse()
		require.NoError(t, response.UnmarshalProto([]byte(answer.Body)))
		said := func(partial plogotlp.ExportPartialSuccess) {
			assert.EqualValues(t, 1, partial.RejectedLogRecords(), name)
			assert.Contains(t, partial.ErrorMessage(), "logRecords[25] has more than 20971520 bytes with its resource and scope (max_item_size)")
		}
		said(response.PartialSuccess())
		answer, err = send.Post(p.HTTP(), "/v1/logs", text, "Content-Type", "application/json")
		takes(t, answer, err)
		response = plogotlp.NewExportResponse()
		require.NoError(t, response.UnmarshalJSON([]byte(answer.Body)))
		said(response.PartialSuccess())
		conn, err := grpc.NewClient(p.GRPC(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		response, err = plogotlp.NewGRPCClient(conn).Export(t.Context(), request)
		require.NoError(t, err)
		said(response.PartialSuccess())
		alone := plog.NewLogs()
		alone.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(strings.Repeat("x", 21*mib))
		_, err = plogotlp.NewGRPCClient(conn).Export(t.Context(), plogotlp.NewExportRequestFromLogs(alone))
		assert.Equal(t, codes.InvalidArgument, status.Code(err), "nothing is left of it: permanent")
		require.NoError(t, conn.Close())
		n, err := ask.Metric(p.Telemetry(), "otelcol_extension_nesting_limit_rejected_items", `reason="item_size"`)
		require.NoError(t, err)
		assert.Equal(t, 3.0, n, name)
		if name == "standalone" {
			came++ // its journal takes the three requests, which are equal, for one that is repeated
		} else {
			came += 3
		}
		ask.Eventually(t, func() error { // before it ends: what is still in its journal or queue then waits for the next start
			_, err := short("the server", neighbours(g.Bodies(), came), 51)
			return err
		})
		p.Terminate(t)
	}
}

// neighbours puts the large record's id back where n others each have come; a record that came less often is left out.
func neighbours(bodies map[string]int, n int) map[string]int {
	all := map[string]int{"id 25": 1}
	for body, count := range bodies {
		if count >= n {
			all[body] = 1
		}
	}
	return all
}

// Long lines of a file through every hop of ours: agent, gateway, journal, lake. Up to 16 MiB a line is one row, beyond that it comes in numbered pieces,
// and none is a dead letter.
func TestLongLinesOfFilesReachTheLakeWhole(t *testing.T) {
	dir := t.TempDir()
	sizes := []int{900_000, 1_100_000, 5 * mib, 16*mib - 20, 17 * mib}
	var text strings.Builder
	for i, size := range sizes {
		fmt.Fprintf(&text, "line %d %s\n", i, strings.Repeat("abcdefg ", size/8))
	}
	text.WriteString("java.lang.IllegalStateException: boom\n" + strings.Repeat("\tat com.example.Kitchen.boil(Kitchen.java:12)\n", 50_000) + "line 9 end\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.log"), []byte(text.String()), 0o600))
	server := process.Start(t, process.Settings{Args: []string{"--set=exporters::parquet::max_age=1s"}})
	p := process.Start(t, process.Settings{Configs: []string{"profile:agent"}, Env: map[string]string{"PENSTOCK_GATEWAY_ENDPOINT": server.GRPC(),
		"PENSTOCK_LOG_FILES": filepath.Join(dir, "app.log"), "PENSTOCK_STATSD_ENDPOINT": freeport.One(t)}})
	ask.Eventually(t, func() error {
		if len(ask.LakeFiles(t, server.Lake(), "logs")) == 0 {
			return fmt.Errorf("the lake is empty")
		}
		rows, err := ask.SQL(t, `select count(*), sum(length(body)), count(*) filter (where attributes::varchar like '%log.file.record_part%') from `+
			ask.Lake(server.Lake(), "logs")+` where attributes::varchar like '%app.log%'`)
		if err != nil {
			return err
		}
		n, bytes, pieces := rows[0][0].(float64), rows[0][1].(float64), rows[0][2].(float64)
		newlines := len(sizes) + 2 // between lines, none of which is in a record
		if n != float64(len(sizes)+1+2) || int(bytes) != text.Len()-newlines || pieces != 2 {
			return fmt.Errorf("%v rows with %v of %d bytes, %v pieces", n, bytes, text.Len()-newlines, pieces)
		}
		return nil
	})
	for _, process := range []*process.Process{server, p} {
		for _, name := range []string{"otelcol_processor_kafka_replay_dead_letters", "otelcol_extension_dead_letter_items"} {
			n, err := ask.Metric(process.Telemetry(), name)
			if err == nil {
				assert.Zero(t, n, name)
			}
		}
	}
	p.Terminate(t)
	server.Terminate(t)
}
