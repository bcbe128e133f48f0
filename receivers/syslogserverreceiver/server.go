package syslogserverreceiver

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/handover"
	"github.com/penstockhq/penstock/internal/sockets"
	"github.com/penstockhq/penstock/receivers/syslogserverreceiver/internal/frames"
	"github.com/penstockhq/penstock/receivers/syslogserverreceiver/internal/message"
	"github.com/penstockhq/penstock/receivers/syslogserverreceiver/internal/metadata"
)

const (
	// bufferBudget bounds the buffers for long messages of all connections.
	bufferBudget = 64 << 20
	// lastTries is how long a stop waits for the pipeline to accept the received messages.
	lastTries = 5 * time.Second
	// socketMode lets every process of the machine send, as to /dev/log.
	socketMode = 0o666

	notUTF8 = "not_utf8"
	short   = "short"
	refused = "refused"
	stopped = "stopped"
)

// server makes records of messages, and one goroutine sends them.
type server struct {
	cfg       *Config
	set       receiver.Settings
	next      consumer.Logs
	obs       *receiverhelper.ObsReport
	telemetry *metadata.TelemetryBuilder
	reasons   map[string]metric.MeasurementOption // filled by newServer, read only
	location  *time.Location
	host      string // host of messages from this machine
	budget    *frames.Budget
	batch     *handover.Batch

	listener *sockets.Server
	cancel   context.CancelFunc
	done     sync.WaitGroup
}

var _ receiver.Logs = (*server)(nil)

func newServer(cfg *Config, set receiver.Settings, next consumer.Logs) (*server, error) {
	obs, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set})
	if err != nil {
		return nil, err
	}
	location, err := cfg.location()
	if err != nil {
		return nil, fmt.Errorf("location: %w", err)
	}
	s := &server{cfg: cfg, set: set, next: next, obs: obs, location: location, budget: frames.NewBudget(bufferBudget), batch: handover.NewBatch(metadata.ScopeName),
		reasons: map[string]metric.MeasurementOption{}}
	for _, reason := range []string{message.NoPriority, message.BadPriority, message.NoHeader, message.BadHeader, message.BadTime, message.BadStructure,
		message.LongStructure, notUTF8, short, refused, stopped, sockets.TooMany, sockets.Handshake} {
		s.reasons[reason] = metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", reason)))
	}
	return s, nil
}

// Start starts the listeners.
func (s *server) Start(ctx context.Context, host component.Host) (err error) {
	if s.telemetry, err = metadata.NewTelemetryBuilder(s.set.TelemetrySettings); err != nil {
		return err
	}
	if s.host, err = os.Hostname(); err != nil {
		s.host = "localhost"
	}
	addresses, err := s.cfg.addresses()
	if err != nil {
		return err
	}
	var secure *tls.Config
	if s.cfg.TLS.HasValue() {
		if secure, err = s.cfg.TLS.Get().LoadTLSConfig(ctx); err != nil {
			return fmt.Errorf("tls: %w", err)
		}
	}
	s.listener, err = sockets.Listen(ctx, sockets.Settings{
		Addresses: addresses, TLS: secure, MaxConnections: s.cfg.MaxConnections, SocketMode: socketMode,
		Packet: s.packet, Stream: s.stream,
		Refused: func(reason string) {
			s.telemetry.ReceiverSyslogServerRefusedConnections.Add(context.Background(), 1, s.reasons[reason])
		},
		Failed: func(err error) { componentstatus.ReportStatus(host, componentstatus.NewPermanentErrorEvent(err)) },
	})
	if err != nil {
		return err
	}
	ctx, s.cancel = context.WithCancel(context.Background())
	s.done.Go(func() { s.deliver(ctx) })
	return nil
}

// Shutdown reads what the kernel has buffered, and waits a while for the pipeline to accept it. It may be repeated, and called without
// Start.
func (s *server) Shutdown(context.Context) error {
	if s.cancel != nil {
		impatient := time.AfterFunc(lastTries, func() {
			s.batch.Close()
			s.cancel()
		})
		s.listener.Stop()
		s.batch.Close()
		s.done.Wait()
		impatient.Stop()
		s.cancel()
		s.cancel = nil
	}
	if s.telemetry != nil {
		s.telemetry.Shutdown()
	}
	return nil
}

// deliver sends one batch after the other to the pipeline; the next one is filled meanwhile.
func (s *server) deliver(ctx context.Context) {
	for {
		taken, ok := s.batch.Take()
		if !ok {
			return
		}
		op := s.obs.StartLogsOp(ctx)
		err := handover.Logs(ctx, s.next, taken.Logs)
		s.obs.EndLogsOp(op, "syslog", taken.Records, err)
		if err == nil {
			continue
		}
		reason := refused
		if ctx.Err() != nil {
			reason = stopped
		}
		s.telemetry.ReceiverSyslogServerLostMessages.Add(context.Background(), int64(taken.Records), s.reasons[reason])
		s.set.Logger.Error("messages are lost: the pipeline did not accept them", zap.String("reason", reason), zap.Int("messages", taken.Records), zap.Error(err))
	}
}

// packet handles a datagram: one message.
func (s *server) packet(packet []byte, from net.Addr) {
	if text := trim(packet); text != "" {
		address := peer(from)
		s.add(s.parse(text, address, time.Now()), text, address, whole)
	}
}

// trim is a text without the characters that some senders append.
func trim(text []byte) string { return strings.TrimRight(string(text), "\r\n\x00") }

// stream reads the messages of a connection to its end.
func (s *server) stream(conn net.Conn) {
	r := frames.New(conn, s.cfg.MaxMessageSize, s.budget)
	defer r.Close()
	address := peer(conn.RemoteAddr())
	var m message.Message // for the following parts
	for {
		frame, err := r.Next()
		text := string(frame.Text)
		if !frame.More {
			text = trim(frame.Text)
		}
		if frame.Short {
			s.unparsed(short)
		}
		switch {
		case text == "":
		case frame.Part == 0:
			m = s.parse(text, address, time.Now())
			s.add(m, text, address, part(frame))
		default:
			m.Body, m.Reason = text, ""
			s.add(m, text, address, part(frame))
		}
		if part(frame) != whole {
			s.telemetry.ReceiverSyslogServerCutMessages.Add(context.Background(), 1)
		}
		if err != nil {
			return
		}
	}
}

// whole reports that a record is not a part of a message.
const whole = -1

func part(f frames.Frame) int {
	if f.More || f.Part > 0 {
		return f.Part
	}
	return whole
}

// parse parses a message, and counts one that can't be parsed. host.name and service.name are always set.
func (s *server) parse(text, address string, now time.Time) message.Message {
	m := message.Parse(text, message.Clock{Now: now, Local: s.location})
	if m.Reason != "" {
		s.unparsed(m.Reason)
	}
	switch {
	case m.Host != "":
	case address != "":
		m.Host = address
	default:
		m.Host = s.host
	}
	if m.App == "" {
		m.App = s.cfg.ServiceName
	}
	return m
}

func (s *server) unparsed(reason string) {
	s.telemetry.ReceiverSyslogServerUnparsedMessages.Add(context.Background(), 1, s.reasons[reason])
}

// add makes a record of a message, or of a part of one.
func (s *server) add(m message.Message, text, address string, part int) {
	if !utf8.ValidString(text) {
		s.unparsed(notUTF8)
	}
	record := plog.NewLogRecord()
	fill(record, m, text, address, time.Now())
	if part != whole {
		record.Attributes().PutInt("syslog.message_part", int64(part))
	}
	if !s.batch.Add(handover.Origin{Host: valid(m.Host), Service: valid(m.App)}, record, len(text), "") {
		s.telemetry.ReceiverSyslogServerLostMessages.Add(context.Background(), 1, s.reasons[stopped])
	}
}
