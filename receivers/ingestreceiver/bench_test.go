package ingestreceiver_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/receivers/ingestreceiver"
)

// A request over a kept connection, in front of a pipeline that does nothing.
func BenchmarkIngest(b *testing.B) {
	factory := ingestreceiver.NewFactory()
	cfg := factory.CreateDefaultConfig().(*ingestreceiver.Config)
	cfg.HTTP.NetAddr.Endpoint = freeport.One(b)
	set := receivertest.NewNopSettings(factory.Type())
	logs, err := factory.CreateLogs(b.Context(), set, cfg, consumertest.NewNop())
	require.NoError(b, err)
	_, err = factory.CreateMetrics(b.Context(), set, cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, logs.Start(b.Context(), componenttest.NewNopHost()))
	defer func() { require.NoError(b, logs.Shutdown(b.Context())) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for signal, item := range map[string]string{
		"logs":    `{"timestamp":"2026-11-29T06:15:02.123Z","level":"info","message":"GET /api/orders/7 answered in 12 ms","route":"/api/orders/:id","status":200,"bytes":512}`,
		"metrics": `{"timestamp":1795932902123,"name":"kettle.temperature","value":99.5,"unit":"Cel","room":"kitchen","kettle":"k7"}`,
	} {
		for _, items := range []int{1, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", signal, items), func(b *testing.B) {
				body := []byte(`{"service":"kitchen","` + signal + `":[` + strings.TrimSuffix(strings.Repeat(item+",", items), ",") + `]}`)
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					resp, err := client.Post("http://"+cfg.HTTP.NetAddr.Endpoint+"/api/v1/"+signal+"/ingest", "application/json", bytes.NewReader(body))
					require.NoError(b, err)
					_, _ = io.Copy(io.Discard, resp.Body)
					require.NoError(b, resp.Body.Close())
					require.Equal(b, http.StatusAccepted, resp.StatusCode)
				}
			})
		}
	}
}
