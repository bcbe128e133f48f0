//go:build linux

package udpdropsextension_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/penstockhq/penstock/extensions/udpdropsextension"
	"github.com/penstockhq/penstock/extensions/udpdropsextension/internal/metadatatest"
)

func BenchmarkCollect100Sockets(b *testing.B) {
	telemetry := componenttest.NewTelemetry()
	factory := udpdropsextension.NewFactory()
	ext, err := factory.Create(b.Context(), metadatatest.NewSettings(telemetry), factory.CreateDefaultConfig())
	require.NoError(b, err)
	require.NoError(b, ext.Start(b.Context(), componenttest.NewNopHost()))
	for range 100 {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(b, err)
		defer conn.Close()
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err := telemetry.GetMetric("otelcol_extension_udp_drops_datagrams")
		require.NoError(b, err)
	}
	require.NoError(b, ext.Shutdown(b.Context()))
	require.NoError(b, telemetry.Shutdown(b.Context()))
}
