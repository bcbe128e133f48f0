package syslogserverreceiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/penstockhq/penstock/internal/certtest"
	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/internal/handover/handovertest"
	"github.com/penstockhq/penstock/internal/readmetest"
	"github.com/penstockhq/penstock/receivers/syslogserverreceiver/internal/metadatatest"
)

// harness is a receiver with the records that it has sent.
type harness struct {
	t    *testing.T
	tel  *componenttest.Telemetry
	sink *consumertest.LogsSink
	r    *server
}

func start(t *testing.T, next consumer.Logs, change func(*Config)) *harness {
	t.Helper()
	h := &harness{t: t, tel: componenttest.NewTelemetry(), sink: new(consumertest.LogsSink)}
	if next == nil {
		next = h.sink
	}
	cfg := createDefaultConfig().(*Config)
	cfg.Endpoint = "127.0.0.1:0,unixgram://" + freeport.Socket(t)
	cfg.Location = "UTC"
	if change != nil {
		change(cfg)
	}
	require.NoError(t, cfg.Validate())
	r, err := NewFactory().CreateLogs(t.Context(), metadatatest.NewSettings(h.tel), cfg, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(t.Context(), componenttest.NewNopHost()))
	h.r = r.(*server)
	return h
}

func (h *harness) address(network string) string {
	h.t.Helper()
	for _, a := range h.r.listener.Addresses() {
		if a.Network() == network {
			return a.String()
		}
	}
	require.Fail(h.t, "no socket for "+network)
	return ""
}

// send writes each text with one write over a socket of its own.
func (h *harness) send(network string, texts ...string) {
	h.t.Helper()
	conn, err := net.Dial(network, h.address(network))
	require.NoError(h.t, err)
	for _, text := range texts {
		_, err = conn.Write([]byte(text))
		require.NoError(h.t, err)
	}
	require.NoError(h.t, conn.Close())
}

// await waits until n records were sent.
func (h *harness) await(n int) {
	h.t.Helper()
	require.EventuallyWithT(h.t, func(c *assert.CollectT) { assert.Equal(c, n, h.sink.LogRecordCount()) }, time.Minute, time.Millisecond)
}

// got is a record with its resource.
type got struct {
	resource map[string]any
	plog.LogRecord
}

// stop ends the receiver and returns the records by their body.
func (h *harness) stop() map[string]got {
	h.t.Helper()
	require.NoError(h.t, h.r.Shutdown(context.Background()))
	require.NoError(h.t, h.r.Shutdown(context.Background()))
	all := map[string]got{}
	for _, logs := range h.sink.AllLogs() {
		for _, rl := range logs.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, r := range sl.LogRecords().All() {
					all[r.Body().Str()] = got{rl.Resource().Attributes().AsRaw(), r}
				}
			}
		}
	}
	return all
}

// counted is a counter by its only attribute.
func (h *harness) counted(name string) map[string]int64 {
	all := map[string]int64{}
	m, err := h.tel.GetMetric("otelcol_receiver_syslog_server_" + name)
	if err != nil {
		return all
	}
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		reason, _ := p.Attributes.Value("reason")
		all[reason.AsString()] += p.Value
	}
	return all
}

// Both RFCs and both framings arrive at one address, complete.
func TestOneAddressTakesAll(t *testing.T) {
	const rfc5424 = "<165>1 2026-10-11T22:14:15.003Z web-1 shop 77 ID47 [app@1 user=\"ann\" ip=\"10.0.0.1\" ip=\"10.0.0.2\"] \xEF\xBB\xBF5424 by %s"
	const rfc3164 = "<34>Oct 11 22:14:15 web-2 su[x7]: 3164 by %s"
	host, err := os.Hostname()
	require.NoError(t, err)
	h := start(t, nil, nil)
	for _, network := range []string{"udp", "unixgram"} {
		h.send(network, fmt.Sprintf(rfc5424, network), fmt.Sprintf(rfc3164, network)+"\n", "<14>bare by "+network+"\x00", "raw by "+network, "")
	}
	counted := fmt.Sprintf(rfc5424, "tcp")
	h.send("tcp", fmt.Sprintf("%d %s", len(counted), counted)+fmt.Sprintf(rfc3164, "tcp")+"\n<14>bare by tcp\n\nraw by tcp")
	h.await(12)
	all := h.stop()
	for _, network := range []string{"udp", "unixgram", "tcp"} {
		r := all["5424 by "+network]
		assert.Equal(t, map[string]any{"host.name": "web-1", "service.name": "shop"}, r.resource)
		assert.Equal(t, time.Date(2026, 10, 11, 22, 14, 15, 3e6, time.UTC), r.Timestamp().AsTime())
		assert.NotZero(t, r.ObservedTimestamp())
		assert.Equal(t, plog.SeverityNumberInfo2, r.SeverityNumber())
		assert.Equal(t, "notice", r.SeverityText())
		assert.Equal(t, map[string]any{"syslog.facility": int64(20), "process.pid": int64(77), "syslog.msg_id": "ID47", "syslog.app@1.user": "ann",
			"syslog.app@1.ip": []any{"10.0.0.1", "10.0.0.2"}}, r.Attributes().AsRaw())
		r = all["3164 by "+network]
		assert.Equal(t, map[string]any{"host.name": "web-2", "service.name": "su"}, r.resource)
		assert.Equal(t, time.October, r.Timestamp().AsTime().Month())
		assert.Equal(t, map[string]any{"syslog.facility": int64(4), "syslog.proc_id": "x7"}, r.Attributes().AsRaw())
		r = all["bare by "+network]
		assert.Equal(t, map[string]any{"host.name": host, "service.name": "syslog"}, r.resource)
		assert.Equal(t, "<14>bare by "+network, r.Attributes().AsRaw()["log.record.original"])
		r = all["raw by "+network]
		assert.Equal(t, plog.SeverityNumberUnspecified, r.SeverityNumber())
		assert.Empty(t, r.Attributes().AsRaw())
	}
	assert.Equal(t, map[string]int64{"no_header": 3, "no_priority": 3}, h.counted("unparsed_messages"))
}

// Every severity of every facility.
func TestPriorities(t *testing.T) {
	h := start(t, nil, nil)
	var texts strings.Builder
	for priority := range 193 {
		fmt.Fprintf(&texts, "<%d>1 - - - - - - p%d\n", priority, priority)
	}
	h.send("tcp", texts.String())
	h.await(193)
	all := h.stop()
	want := []plog.SeverityNumber{plog.SeverityNumberFatal, plog.SeverityNumberError3, plog.SeverityNumberError2, plog.SeverityNumberError,
		plog.SeverityNumberWarn, plog.SeverityNumberInfo2, plog.SeverityNumberInfo, plog.SeverityNumberDebug}
	for priority := range 192 {
		r := all[fmt.Sprintf("p%d", priority)]
		assert.Equal(t, want[priority%8], r.SeverityNumber())
		assert.Equal(t, int64(priority/8), r.Attributes().AsRaw()["syslog.facility"])
	}
	assert.Contains(t, all, "<192>1 - - - - - - p192")
	assert.Equal(t, map[string]int64{"bad_priority": 1}, h.counted("unparsed_messages"))
}

func TestLongMessagesComeInParts(t *testing.T) {
	h := start(t, nil, func(c *Config) { c.MaxMessageSize = leastMessage })
	long := "<14>1 - h app - - - " + strings.Repeat("0123456789", 1000)
	h.send("tcp", fmt.Sprintf("%d %s%s\n<14>1 - h app - - - after\n", len(long), long, long))
	h.await(7)
	parts := map[int64][]string{}
	for body, r := range h.stop() {
		assert.Equal(t, "app", r.resource["service.name"])
		assert.Equal(t, "info", r.SeverityText())
		part, ok := r.Attributes().Get("syslog.message_part")
		assert.Equal(t, body != "after", ok)
		if ok {
			parts[part.Int()] = append(parts[part.Int()], body)
		}
	}
	require.Len(t, parts, 3)
	assert.Equal(t, strings.Repeat("0123456789", 1000), parts[0][0]+parts[1][0]+parts[2][0])
	assert.Equal(t, map[string]int64{"": 6}, h.counted("cut_messages"))
	assert.Empty(t, h.counted("unparsed_messages"))
}

// Bytes that are not UTF-8 are kept beside the text, and a truncated message is delivered as far as it arrived.
func TestBytesAreKept(t *testing.T) {
	h := start(t, nil, nil)
	h.send("udp", "<14>1 - h app - - - caf\xe9")
	h.send("tcp", "99 <14>1 - h app - - - breaks o")
	h.await(2)
	all := h.stop()
	assert.Equal(t, []byte("<14>1 - h app - - - caf\xe9"), all["caf\uFFFD"].Attributes().AsRaw()["log.record.original"])
	assert.Contains(t, all, "breaks o")
	assert.Equal(t, map[string]int64{"not_utf8": 1, "short": 1}, h.counted("unparsed_messages"))
}

// Records that a pipeline refuses temporarily wait, and TCP senders with them; a stop gives the pipeline a last chance.
func TestNothingIsLostWhileThePipelineRefuses(t *testing.T) {
	next := handovertest.Refuse(errors.New("full"))
	h := start(t, next, nil)
	const n = 6000
	var texts strings.Builder
	for i := range n {
		fmt.Fprintf(&texts, "<14>1 - h app - - - id %d\n", i)
	}
	h.send("tcp", texts.String())
	next.AwaitTries(t, 2)
	next.Accept()
	h.sink = &next.LogsSink
	h.await(n)
	assert.Len(t, h.stop(), n)
	assert.Empty(t, h.counted("lost_messages"))
}

func TestWhatIsLostIsCounted(t *testing.T) {
	next := handovertest.Refuse(consumererror.NewPermanent(errors.New("never")))
	h := start(t, next, nil)
	h.send("udp", "<14>1 - h app - - - refused")
	next.AwaitTries(t, 1)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, map[string]int64{"refused": 1}, h.counted("lost_messages"))
	}, time.Minute, time.Millisecond)
	h.stop()
}

func TestTLS(t *testing.T) {
	cert, key, pool := certtest.Loopback(t)
	h := start(t, nil, func(c *Config) {
		c.Endpoint = "127.0.0.1:0"
		c.TLS = configoptional.Some(configtls.ServerConfig{Config: configtls.Config{CertFile: cert, KeyFile: key}})
	})
	conn, err := tls.Dial("tcp", h.address("tcp"), &tls.Config{RootCAs: pool})
	require.NoError(t, err)
	_, err = conn.Write([]byte("26 <14>1 - h app - - - secret<14>1 - h app - - - secret too\n"))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	h.send("udp", "<14>1 - h app - - - plain")
	h.send("tcp", "<14>1 - h app - - - never read\n")
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Equal(c, map[string]int64{"handshake": 1}, h.counted("refused_connections"))
	}, time.Minute, time.Millisecond)
	h.await(3)
	all := h.stop()
	for _, body := range []string{"secret", "secret too", "plain"} {
		assert.Contains(t, all, body)
	}
}

func TestPeer(t *testing.T) {
	for address, want := range map[string]string{"10.0.0.5:514": "10.0.0.5", "127.0.0.1:514": "", "[::1]:514": "", "[::ffff:10.0.0.5]:514": "10.0.0.5", "[fe80::1%eth0]:5": "fe80::1"} {
		udp, err := net.ResolveUDPAddr("udp", strings.Replace(address, "%eth0", "", 1))
		require.NoError(t, err)
		assert.Equal(t, want, peer(udp), address)
	}
	assert.Empty(t, peer(nil))
	h := start(t, nil, nil)
	h.r.packet([]byte("<14>1 2026-10-11T22:14:15Z - - - - - x"), &net.UDPAddr{IP: net.IPv4(10, 0, 0, 5), Port: 514})
	h.await(1)
	r := h.stop()["x"]
	assert.Equal(t, "10.0.0.5", r.resource["host.name"])
	assert.Equal(t, "10.0.0.5", r.Attributes().AsRaw()["network.peer.address"])
}

// The README's examples are valid, and each wrong value is named by its key.
func TestConfig(t *testing.T) {
	readmetest.Load(t, "receivers", NewFactory(), nil)
	for key, change := range map[string]func(*Config){
		"endpoint":           func(c *Config) { c.Endpoint = "514" },
		"tls: tls://h:6514":  func(c *Config) { c.Endpoint = "tls://h:6514" },
		"tls: a certificate": func(c *Config) { c.TLS = configoptional.Some(configtls.ServerConfig{}) },
		"location":           func(c *Config) { c.Location = "Berlin" },
		"service_name":       func(c *Config) { c.ServiceName = "" },
		"max_message_size":   func(c *Config) { c.MaxMessageSize = 1 },
		"max_connections":    func(c *Config) { c.MaxConnections = 0 },
	} {
		cfg := createDefaultConfig().(*Config)
		change(cfg)
		assert.ErrorContains(t, cfg.Validate(), key)
	}
}
