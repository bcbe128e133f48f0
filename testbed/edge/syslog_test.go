package edge

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/certtest"
	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
)

// A burst of datagrams: arrived ones plus those that the kernel dropped equal the sent ones.
func TestSyslogDatagramsAreCounted(t *testing.T) {
	g := gateway.New(t)
	address := freeport.One(t)
	p := agentIn(t, g, map[string]string{"PENSTOCK_SYSLOG_ENDPOINT": "udp://" + address}, "--set=exporters::otlp_grpc/files::timeout=30s")
	p.Begin(t)
	p.AwaitHealthy(t)
	conn, err := net.Dial("udp", address)
	require.NoError(t, err)
	defer conn.Close()
	const sent = 30_000
	for i := range sent {
		_, err := fmt.Fprintf(conn, "<13>1 - h app - - - id %d %s", i, strings.Repeat("x", 200))
		require.NoError(t, err)
	}
	ask.Eventually(t, func() error {
		drops, err := ask.Metric(p.Telemetry(), "otelcol_extension_udp_drops_datagrams", `network_local_address="`+address+`"`)
		if got := len(g.Bodies()); err == nil && float64(got)+drops != sent {
			err = fmt.Errorf("%d arrived and %v were dropped of %d", got, drops, sent)
		}
		return err
	})
	p.Terminate(t)
}

// With a certificate the address takes UDP, and TLS over TCP. Messages of any size and of no format arrive, and the latter are counted.
func TestSyslogOverTLS(t *testing.T) {
	cert, key, pool := certtest.Loopback(t)
	g := gateway.New(t)
	address := freeport.One(t)
	p := agentIn(t, g, map[string]string{"PENSTOCK_SYSLOG_ENDPOINT": address, "PENSTOCK_SYSLOG_TLS_CERT": cert, "PENSTOCK_SYSLOG_TLS_KEY": key,
		"PENSTOCK_SERVICE_NAME": "shop"}, "--set=exporters::otlp_grpc/files::timeout=30s")
	p.Begin(t)
	p.AwaitHealthy(t)
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool})
	require.NoError(t, err)
	long := "<13>1 2026-11-24T05:00:00Z h app 7 - - " + strings.Repeat("0123456789", mib/2)
	_, err = fmt.Fprintf(conn, "%d %s<34>Oct 11 22:14:15 h su: old\nno syslog at all\n", len(long), long)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	udp, err := net.Dial("udp", address)
	require.NoError(t, err)
	_, err = udp.Write([]byte("<999>1 - - - - - - bad"))
	require.NoError(t, err)
	require.NoError(t, udp.Close())
	ask.Eventually(t, func() error {
		services := map[string]string{}
		g.Records(func(resource plog.ResourceLogs, r plog.LogRecord) {
			service, _ := resource.Resource().Attributes().Get("service.name")
			services[r.Body().Str()] = service.Str()
		})
		want := map[string]string{strings.Repeat("0123456789", mib/2): "app", "old": "su", "no syslog at all": "shop", "<999>1 - - - - - - bad": "shop"}
		for body, service := range want {
			if services[body] != service {
				return fmt.Errorf("%.40q is of %q, %d records", body, services[body], len(services))
			}
		}
		for _, reason := range []string{"no_priority", "bad_priority"} {
			n, err := ask.Metric(p.Telemetry(), "otelcol_receiver_syslog_server_unparsed_messages", `reason="`+reason+`"`)
			if err == nil && n != 1 {
				err = fmt.Errorf("%v with %s", n, reason)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	p.Terminate(t)
}
