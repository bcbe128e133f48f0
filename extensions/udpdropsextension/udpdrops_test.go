//go:build linux

package udpdropsextension_test

import (
	"context"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/penstockhq/penstock/extensions/udpdropsextension"
	"github.com/penstockhq/penstock/extensions/udpdropsextension/internal/metadatatest"
)

// The metric counts the datagrams that a socket could not hold.
func TestDropsAreWhatWasSentAndCannotBeRead(t *testing.T) {
	telemetry := componenttest.NewTelemetry()
	factory := udpdropsextension.NewFactory()
	ext, err := factory.Create(t.Context(), metadatatest.NewSettings(telemetry), factory.CreateDefaultConfig())
	require.NoError(t, err)
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))

	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer server.Close()
	require.NoError(t, server.SetReadBuffer(8<<10))
	client, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	require.NoError(t, err)
	defer client.Close()
	const sent = 200
	for range sent {
		_, err := client.Write(make([]byte, 512))
		require.NoError(t, err)
	}

	held := pending(t, server)
	drops := dropped(t, telemetry)
	assert.Equal(t, map[string]int64{server.LocalAddr().String(): int64(sent - held)}, drops, "the client's socket is not listed")
	assert.Positive(t, drops[server.LocalAddr().String()])
	require.NoError(t, ext.Shutdown(context.Background()))
	require.NoError(t, telemetry.Shutdown(context.Background()))
}

// pending reads the content of the socket's buffer and returns the number of datagrams.
func pending(t *testing.T, conn *net.UDPConn) (count int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	var failed error
	require.NoError(t, raw.Control(func(fd uintptr) {
		for failed == nil {
			if _, _, failed = syscall.Recvfrom(int(fd), make([]byte, 1024), syscall.MSG_DONTWAIT); failed == nil {
				count++
			}
		}
	}))
	require.ErrorIs(t, failed, syscall.EAGAIN)
	return count
}

func dropped(t *testing.T, telemetry *componenttest.Telemetry) map[string]int64 {
	t.Helper()
	got, err := telemetry.GetMetric("otelcol_extension_udp_drops_datagrams")
	require.NoError(t, err)
	all := make(map[string]int64)
	for _, point := range got.Data.(metricdata.Sum[int64]).DataPoints {
		address, _ := point.Attributes.Value("network.local.address")
		all[address.AsString()] = point.Value
	}
	return all
}
