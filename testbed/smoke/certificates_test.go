package smoke

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/certtest"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// overTLS posts a log record and returns the status; an error is one of the connection.
func overTLS(t *testing.T, address string, config *tls.Config) (int, error) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	answer, err := client.Post("https://"+address+"/v1/logs", jsonType, strings.NewReader(string(logOf("shop", "line"))))
	if err != nil {
		return 0, err
	}
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode, nil
}

// Every listener that takes or shows data answers with the certificate, asks for one of the client's authority, and takes no old version of
// TLS; an agent and its gateway know each other by theirs. A certificate that is replaced counts without a restart.
func TestCertificates(t *testing.T) {
	gatewayCert, gatewayKey, gatewayPool := certtest.Loopback(t)
	agentCert, agentKey, agentPool := certtest.Loopback(t)
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_TLS_CERT": gatewayCert, "PENSTOCK_TLS_KEY": gatewayKey, "PENSTOCK_TLS_CLIENT_CA": agentCert}})
	agent := process.Start(t, process.Settings{Configs: []string{"profile:agent"}, Env: map[string]string{
		"PENSTOCK_GATEWAY_ENDPOINT": "https://" + p.GRPC(), "PENSTOCK_GATEWAY_CA": gatewayCert, "PENSTOCK_TLS_CERT": agentCert, "PENSTOCK_TLS_KEY": agentKey,
	}})
	own, err := tls.LoadX509KeyPair(agentCert, agentKey)
	require.NoError(t, err)
	as := func(pool *x509.CertPool, change func(*tls.Config)) *tls.Config {
		config := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}
		if change != nil {
			change(config)
		}
		return config
	}
	// TLS 1.2 tells in the handshake that a certificate is missing; TLS 1.3 tells later.
	handshake := func(address string, config *tls.Config) error {
		conn, err := tls.Dial("tcp", address, config)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	for name, address := range map[string]string{"gRPC": p.GRPC(), "HTTP": p.HTTP(), "ingest": p.Ingest(), "admin": p.Admin(), "TSDB": p.TSDB()} {
		protocols := func(c *tls.Config) { c.MaxVersion, c.NextProtos = tls.VersionTLS12, []string{"h2", "http/1.1"} }
		assert.NoError(t, handshake(address, as(gatewayPool, protocols)), name)
		assert.Error(t, handshake(address, as(agentPool, protocols)), "%s: another certificate", name)
		assert.Error(t, handshake(address, as(gatewayPool, func(c *tls.Config) { protocols(c); c.Certificates = nil })), "%s: a client without one", name)
		//nolint:gosec // that it is refused is what is tested
		assert.ErrorContains(t, handshake(address, as(gatewayPool, func(c *tls.Config) { protocols(c); c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })), "protocol version", name)
	}
	status, _, err := process.Fetch(t.Context(), "http://"+p.HTTP()+"/v1/logs")
	if err == nil {
		assert.Equal(t, http.StatusBadRequest, status, "plain text")
	}

	code, err := overTLS(t, agent.HTTP(), as(agentPool, nil))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code)
	ask.Eventually(t, func() error {
		sent, err := ask.Metric(agent.Telemetry(), "otelcol_exporter_sent_log_records")
		if err == nil && sent < 1 {
			err = fmt.Errorf("the agent has sent %v records", sent)
		}
		return err
	})

	code, err = overTLS(t, p.HTTP(), as(gatewayPool, nil))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code)
	nextCert, nextKey, nextPool := certtest.Loopback(t)
	require.NoError(t, os.Rename(nextKey, gatewayKey))
	require.NoError(t, os.Rename(nextCert, gatewayCert))
	ask.Eventually(t, func() error {
		code, err := overTLS(t, p.HTTP(), as(nextPool, nil))
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("status %d", code)
		}
		return err
	})
	_, err = overTLS(t, p.HTTP(), as(gatewayPool, nil))
	assert.ErrorContains(t, err, "certificate")
}
