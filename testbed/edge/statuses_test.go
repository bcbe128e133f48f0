package edge

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// agent prepares an agent that sends to g and tries again soon.
func agent(t *testing.T, g *gateway.Gateway, args ...string) *process.Process {
	t.Helper()
	return agentIn(t, g, nil, args...)
}

// agentIn is agent with more variables.
func agentIn(t *testing.T, g *gateway.Gateway, variables map[string]string, args ...string) *process.Process {
	t.Helper()
	env := map[string]string{"PENSTOCK_GATEWAY_ENDPOINT": g.Address, "PENSTOCK_STATSD_ENDPOINT": freeport.One(t)}
	maps.Copy(env, variables)
	all := []string{"--set=receivers::statsd_server::aggregation_interval=1s"}
	for _, exporter := range []string{"gateway", "files"} {
		if exporter == "files" && !slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "otlp_grpc/files") }) {
			continue
		}
		all = append(all, "--set=exporters::otlp_grpc/"+exporter+"::compression=gzip", // the stand-in does not support zstd
			"--set=exporters::otlp_grpc/"+exporter+"::retry_on_failure::initial_interval=100ms",
			"--set=exporters::otlp_grpc/"+exporter+"::retry_on_failure::max_interval=200ms",
			"--set=exporters::otlp_grpc/"+exporter+"::sending_queue::batch::flush_timeout=50ms")
	}
	return process.New(t, process.Settings{
		Configs: []string{"profile:agent"},
		Args:    append(append(all, "--set=extensions::dead_letter::retry_interval=200ms"), args...),
		Env:     env,
	})
}

// logs sends n records with ids from first on, and requires that they are acknowledged.
func logs(t *testing.T, p *process.Process, first, n int) {
	t.Helper()
	answer, err := send.Logs(p.HTTP(), send.LogBatch("edge", first, n))
	require.NoError(t, err)
	require.Equal(t, 200, answer.Status, answer.Body)
}

// whole waits until ids 0 to n-1 have arrived, and returns how many came twice.
func whole(t *testing.T, g *gateway.Gateway, n int) (doubled int) {
	t.Helper()
	ask.Eventually(t, func() error {
		bodies, missing := g.Bodies(), 0
		doubled = 0
		for i := range n {
			switch count := bodies[fmt.Sprintf("id %d", i)]; count {
			case 0:
				missing++
			default:
				doubled += count - 1
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d are missing", missing, n)
		}
		return nil
	})
	return doubled
}

// deadLetters returns the bodies of the log records in the dead letters of p, by reason.
func deadLetters(t *testing.T, p *process.Process) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.DataDir(), "deadletter", "*-logs-*.pb"))
	require.NoError(t, err)
	all := map[string][]string{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		req := plogotlp.NewExportRequest()
		require.NoError(t, req.UnmarshalProto(body))
		reason := strings.TrimSuffix(file[strings.LastIndexByte(file, '-')+1:], ".pb")
		for _, rl := range req.Logs().ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, r := range sl.LogRecords().All() {
					all[reason] = append(all[reason], r.Body().AsString())
				}
			}
		}
	}
	return all
}

// The gateway answers with each status for a while, the agent is killed in the middle: every acknowledged record arrives, and none is a
// dead letter.
func TestNoStatusOfAGatewayEmptiesTheQueue(t *testing.T) {
	g := gateway.New(t)
	p := agent(t, g)
	p.Begin(t)
	p.AwaitHealthy(t)
	sent := 0
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		if code == codes.InvalidArgument || code == codes.AlreadyExists { // verdicts on the data
			continue
		}
		g.Decide(func(context.Context, []string) error { return status.Error(code, "not now") })
		logs(t, p, sent, 50)
		sent += 50
		ask.Eventually(t, func() error { // the whole queue has met the status more than once
			if n := g.Asked(); n < 6 {
				return fmt.Errorf("%d requests", n)
			}
			return nil
		})
		if code%4 == 0 {
			p.Kill()
			p.Restart(t)
		}
	}
	g.Decide(nil)
	t.Logf("%d records, %d came twice", sent, whole(t, g, sent))
	assert.Empty(t, deadLetters(t, p))
	// Visible: an outage is in the log and in the health while it lasts; here it is over.
	p.Terminate(t)
}

// A gateway that refuses data, and one that stumbles over it: the item is a dead letter that can be sent again, its neighbours arrive.
func TestARefusalCostsTheItemAlone(t *testing.T) {
	g := gateway.New(t)
	p := agent(t, g)
	p.Begin(t)
	p.AwaitHealthy(t)
	g.Decide(func(_ context.Context, items []string) error {
		for _, item := range items {
			switch item {
			case "id 7":
				return status.Error(codes.InvalidArgument, "a bad id")
			case "id 23":
				return status.Error(codes.Internal, "panic")
			}
		}
		return nil
	})
	logs(t, p, 0, 50)
	for i := 1; i <= 30; i++ {
		logs(t, p, i*50, 50) // others pass meanwhile
	}
	ask.Eventually(t, func() error {
		logs(t, p, 31*50, 1)
		dead := deadLetters(t, p)
		if len(dead["refused"])+len(dead["doubtful"]) < 2 {
			return fmt.Errorf("dead letters: %v", dead)
		}
		return nil
	})
	assert.Equal(t, map[string][]string{"refused": {"id 7"}, "doubtful": {"id 23"}}, deadLetters(t, p))
	for _, reason := range []string{"refused", "doubtful"} {
		ask.Eventually(t, func() error { // a letter is counted after its file is there
			n, err := ask.Metric(p.Telemetry(), "otelcol_extension_dead_letter_items", `reason="`+reason+`"`, `signal="logs"`)
			if err == nil && n != 1 {
				err = fmt.Errorf("%v items are counted as %s", n, reason)
			}
			return err
		})
	}
	g.Decide(nil)
	files, err := filepath.Glob(filepath.Join(p.DataDir(), "deadletter", "*.pb"))
	require.NoError(t, err)
	for _, file := range files { // as the README says
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		answer, err := send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", "application/x-protobuf")
		require.NoError(t, err)
		require.Equal(t, 200, answer.Status)
	}
	whole(t, g, 31*50)
	p.Terminate(t)
}

// The queue has only requests that make the gateway fail, more than it has consumers: they don't delay later ones.
func TestPoisonousRequestsDontHoldTheQueue(t *testing.T) {
	g := gateway.New(t)
	p := agent(t, g, "--set=exporters::otlp_grpc/gateway::sending_queue::batch::min_size=1")
	p.Begin(t)
	p.AwaitHealthy(t)
	g.Decide(func(_ context.Context, items []string) error {
		for _, item := range items {
			if strings.HasPrefix(item, "id 1") { // 1, 10 to 19
				return status.Error(codes.Unknown, "panic")
			}
		}
		return nil
	})
	for i := 10; i < 20; i++ {
		logs(t, p, i, 1)
	}
	logs(t, p, 2, 8) // after them
	logs(t, p, 20, 30)
	ask.Eventually(t, func() error {
		if n := len(g.Bodies()); n != 38 {
			return fmt.Errorf("%d records", n)
		}
		return nil
	})
	g.Decide(nil)
	logs(t, p, 0, 2)
	ask.Eventually(t, func() error { // parked requests are sent, dead letters are files
		have := map[string]bool{}
		for body := range g.Bodies() {
			have[body] = true
		}
		for _, bodies := range deadLetters(t, p) {
			for _, body := range bodies {
				have[body] = true
			}
		}
		if len(have) != 50 {
			return fmt.Errorf("%d of 50 are somewhere", len(have))
		}
		return nil
	})
	p.Terminate(t)
}
