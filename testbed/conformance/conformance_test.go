package conformance

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

var update = flag.Bool("update", false, "write the tables of docs/otlp.md anew")

const page = "../../docs/otlp.md"

func dial(t *testing.T, http, grpcAddress string) Endpoint {
	t.Helper()
	conn, err := grpc.NewClient(grpcAddress, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	return Endpoint{HTTP: http, GRPC: conn}
}

// penstock starts the binary. With no memory at all, it refuses everything for the time being.
func penstock(t *testing.T, args ...string) Endpoint {
	p := process.Start(t, process.Settings{Args: args})
	return dial(t, p.HTTP(), p.GRPC())
}

// stock starts the receiver of the collector alone, in front of a consumer that takes everything, or refuses it for the time being.
func stock(t *testing.T, refuse error) Endpoint {
	t.Helper()
	ports := freeport.Claim(t, 2)
	factory := otlpreceiver.NewFactory()
	cfg := factory.CreateDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"protocols": map[string]any{
		"grpc": map[string]any{"endpoint": ports[0]}, "http": map[string]any{"endpoint": ports[1]}}}).Unmarshal(cfg))
	set := receivertest.NewNopSettings(factory.Type())
	logs, err := consumer.NewLogs(func(context.Context, plog.Logs) error { return refuse })
	require.NoError(t, err)
	r, err := factory.CreateLogs(t.Context(), set, cfg, logs)
	require.NoError(t, err)
	_, err = factory.CreateTraces(t.Context(), set, cfg, consumertest.NewNop())
	require.NoError(t, err)
	_, err = factory.CreateMetrics(t.Context(), set, cfg, consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { assert.NoError(t, r.Shutdown(context.Background())) })
	return dial(t, ports[1], ports[0])
}

// awaitRefusal returns when the server refuses.
func awaitRefusal(t *testing.T, e Endpoint) {
	t.Helper()
	require.Eventually(t, func() bool {
		r, err := post(t.Context(), e, protobuf, oneLog())
		return err == nil && r.code != http.StatusOK
	}, time.Minute, 100*time.Millisecond)
}

// Penstock keeps every rule. The page has them all, with how the stock receiver does in the same run.
func TestConformance(t *testing.T) {
	ours, theirs := penstock(t), stock(t, nil)
	full := penstock(t, "--set=processors::memory_limiter::limit_percentage=0", "--set=processors::memory_limiter::spike_limit_percentage=0",
		"--set=processors::memory_limiter::limit_mib=2", "--set=processors::memory_limiter::spike_limit_mib=1")
	awaitRefusal(t, full)
	theirsFull := stock(t, errors.New("no room"))
	var tables []string
	for _, protocol := range []struct {
		name   string
		checks []Check
	}{{"OTLP/gRPC", GRPCChecks()}, {"OTLP/HTTP", HTTPChecks()}} {
		table := "| " + protocol.name + ": section | Word | The server | Penstock | stock |\n|---|---|---|---|---|\n"
		for _, c := range protocol.checks {
			one, other := ours, theirs
			if c.Overloaded() {
				one, other = full, theirsFull
			}
			err := c.Run(t.Context(), one)
			assert.NoError(t, err, "%s: %s", c.Section, c.Rule)
			stockErr := c.Run(t.Context(), other)
			if stockErr != nil {
				t.Logf("stock: %s: %v", c.Rule, stockErr)
			}
			table += fmt.Sprintf("| %s | %s | %s | %s | %s |\n", c.Section, c.Word, c.Rule, mark(err), mark(stockErr))
		}
		tables = append(tables, table)
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	const begin, end = "<!-- begin of the tables: testbed/conformance writes them -->\n", "<!-- end of the tables -->"
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	want := before + begin + strings.Join(tables, "\n") + end + after
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
		return
	}
	assert.Equal(t, want, string(text), "go test ./conformance -update")
}

func mark(err error) string {
	if err != nil {
		return "**no**"
	}
	return "yes"
}

// Any server can be tested: PENSTOCK_CONFORMANCE_HTTP and PENSTOCK_CONFORMANCE_GRPC are its addresses.
func TestAnyEndpoint(t *testing.T) {
	address, grpcAddress := os.Getenv("PENSTOCK_CONFORMANCE_HTTP"), os.Getenv("PENSTOCK_CONFORMANCE_GRPC")
	if address == "" || grpcAddress == "" {
		t.Skip("no endpoint is named")
	}
	e := dial(t, address, grpcAddress)
	for _, c := range append(GRPCChecks(), HTTPChecks()...) {
		if !c.Overloaded() {
			assert.NoError(t, c.Run(t.Context(), e), "%s: %s", c.Section, c.Rule)
		}
	}
}
