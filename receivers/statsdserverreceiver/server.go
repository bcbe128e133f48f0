package statsdserverreceiver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/sockets"
	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/aggregate"
	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/line"
	"github.com/penstockhq/penstock/receivers/statsdserverreceiver/internal/metadata"
)

const (
	// maxLine is the longest line of a connection; a datagram can't be longer.
	maxLine = 64 << 10
	// chunk is how many points are sent at once: a request of about 1 MiB.
	chunk = 4096
	// lastTries is how long a stop waits for the pipeline to accept the last interval.
	lastTries = 5 * time.Second
	retryWait = 200 * time.Millisecond

	tooLong = "too_long"
)

// server adds lines to a table, and sends the table's points at each interval.
type server struct {
	cfg       *Config
	set       receiver.Settings
	next      consumer.Metrics
	obs       *receiverhelper.ObsReport
	telemetry *metadata.TelemetryBuilder
	reasons   map[string]metric.MeasurementOption // filled by newServer, read only

	mu    sync.Mutex
	table *aggregate.Table // guarded by mu
	begun time.Time        // of the interval; used by the flushing goroutine only

	listener *sockets.Server
	cancel   context.CancelFunc
	done     sync.WaitGroup
}

var _ receiver.Metrics = (*server)(nil)

func newServer(cfg *Config, set receiver.Settings, next consumer.Metrics) (*server, error) {
	obs, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set})
	if err != nil {
		return nil, err
	}
	s := &server{cfg: cfg, set: set, next: next, obs: obs, table: aggregate.New(cfg.MaxMemory, cfg.buckets()), reasons: map[string]metric.MeasurementOption{}}
	for _, reason := range []string{line.NoName, line.NoValue, line.NoType, line.UnknownType, line.BadValue, line.BadRate, line.BadTime,
		line.RelativeWithTime, line.TooManyTags, line.Event, line.ServiceCheck, tooLong, aggregate.Full, aggregate.Overflow, sockets.TooMany, sockets.Handshake} {
		s.reasons[reason] = metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", reason)))
	}
	return s, nil
}

// Start starts the listeners.
func (s *server) Start(ctx context.Context, host component.Host) (err error) {
	if s.telemetry, err = metadata.NewTelemetryBuilder(s.set.TelemetrySettings); err != nil {
		return err
	}
	if err := s.observe(); err != nil {
		return err
	}
	addresses, err := s.cfg.addresses()
	if err != nil {
		return err
	}
	mode, err := strconv.ParseUint(s.cfg.SocketPermissions, 8, 9)
	if err != nil {
		return err
	}
	s.begun = time.Now()
	s.listener, err = sockets.Listen(ctx, sockets.Settings{
		Addresses: addresses, MaxConnections: s.cfg.MaxConnections, SocketMode: os.FileMode(mode),
		Packet: func(packet []byte, _ net.Addr) { s.lines(packet) },
		Stream: s.stream,
		Refused: func(reason string) {
			s.telemetry.ReceiverStatsdServerRefusedConnections.Add(context.Background(), 1, s.reasons[reason])
		},
		Failed: func(err error) { componentstatus.ReportStatus(host, componentstatus.NewPermanentErrorEvent(err)) },
	})
	if err != nil {
		return err
	}
	ctx, s.cancel = context.WithCancel(context.Background())
	s.done.Go(func() { s.run(ctx) })
	return nil
}

func (s *server) observe() error {
	held := func(of func(*aggregate.Table) int) metric.Int64Callback {
		return func(_ context.Context, o metric.Int64Observer) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			o.Observe(int64(of(s.table)))
			return nil
		}
	}
	return errors.Join(
		s.telemetry.RegisterReceiverStatsdServerStreamsCallback(held((*aggregate.Table).Streams)),
		s.telemetry.RegisterReceiverStatsdServerMemorySizeCallback(held((*aggregate.Table).Used)),
		s.telemetry.RegisterReceiverStatsdServerForgottenStreamsCallback(held((*aggregate.Table).Forgotten)))
}

// Shutdown reads what the kernel has buffered, and sends the current interval. It may be repeated, and called without Start.
func (s *server) Shutdown(ctx context.Context) error {
	if s.cancel != nil {
		s.listener.Stop()
		s.cancel()
		s.cancel = nil
		s.done.Wait()
		s.last(ctx)
	}
	if s.telemetry != nil {
		s.telemetry.Shutdown()
	}
	return nil
}

// last sends the last interval, and counts the points that the pipeline doesn't accept in time.
func (s *server) last(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastTries)
	defer cancel()
	ticker := time.NewTicker(retryWait)
	defer ticker.Stop()
	for {
		left := s.flush(ctx, time.Now())
		if left == 0 {
			return
		}
		select {
		case <-ctx.Done():
			s.telemetry.ReceiverStatsdServerLostPoints.Add(context.Background(), int64(left))
			s.set.Logger.Error("the pipeline did not accept the last interval: its points are lost", zap.Int("points", left))
			return
		case <-ticker.C:
		}
	}
}

func (s *server) run(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.AggregationInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if left := s.flush(ctx, time.Now()); left > 0 {
				s.set.Logger.Debug("the pipeline did not accept points: their interval continues", zap.Int("points", left))
			}
		}
	}
}

// lines handles a datagram: lines separated by newlines.
func (s *server) lines(packet []byte) {
	var l line.Line
	var n tally
	for len(packet) > 0 {
		var text []byte
		text, packet, _ = bytes.Cut(packet, []byte{'\n'})
		s.line(&l, text, &n)
	}
	s.note(&n)
}

// tally collects counts, because a telemetry counter costs as much as a line.
type tally struct{ accepted, ignored int64 }

func (s *server) note(n *tally) {
	if n.accepted > 0 {
		s.telemetry.ReceiverStatsdServerAcceptedLines.Add(context.Background(), n.accepted)
	}
	if n.ignored > 0 {
		s.telemetry.ReceiverStatsdServerIgnoredFields.Add(context.Background(), n.ignored)
	}
	*n = tally{}
}

// line handles a line. An empty one does not count.
func (s *server) line(l *line.Line, text []byte, n *tally) {
	if text = bytes.TrimRight(text, "\r \x00"); len(text) == 0 {
		return
	}
	reason := l.Parse(text)
	if reason == "" {
		s.mu.Lock()
		reason = s.table.Add(l)
		s.mu.Unlock()
	}
	if reason != "" {
		s.telemetry.ReceiverStatsdServerRefusedLines.Add(context.Background(), 1, s.reasons[reason])
		return
	}
	n.accepted++
	n.ignored += int64(l.Ignored)
}

// stream reads a connection's lines. A line that is too long is counted, and skipped to its end.
func (s *server) stream(conn net.Conn) {
	var l line.Line
	var n tally
	r := bufio.NewReaderSize(conn, maxLine)
	for {
		text, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			s.telemetry.ReceiverStatsdServerRefusedLines.Add(context.Background(), 1, s.reasons[tooLong])
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = r.ReadSlice('\n')
			}
			text = nil
		}
		s.line(&l, bytes.TrimSuffix(text, []byte{'\n'}), &n)
		if err != nil || r.Buffered() == 0 {
			s.note(&n)
		}
		if err != nil {
			return
		}
	}
}

// flush ends the interval and sends its points. Points that the pipeline refuses with a retryable error return to the table; flush returns
// their number.
func (s *server) flush(ctx context.Context, now time.Time) (left int) {
	s.mu.Lock()
	points := s.table.Collect()
	s.mu.Unlock()
	begun := s.begun
	s.begun = now
	for len(points) > 0 {
		some := points[:min(chunk, len(points))]
		points = points[len(some):]
		metrics, rests := s.convert(some, begun, now)
		op := s.obs.StartMetricsOp(ctx)
		err := s.next.ConsumeMetrics(ctx, metrics)
		if err != nil && !consumererror.IsPermanent(err) {
			s.mu.Lock()
			for _, p := range some {
				s.table.Restore(p, begun)
			}
			s.mu.Unlock()
			left += len(some)
			continue
		}
		s.obs.EndMetricsOp(op, "statsd", len(some), err)
		if err != nil {
			s.telemetry.ReceiverStatsdServerLostPoints.Add(ctx, int64(len(some)))
			s.set.Logger.Error("the pipeline refused points permanently", zap.Int("points", len(some)), zap.Error(err))
			continue
		}
		s.mu.Lock()
		for i, rest := range rests {
			s.table.Carried(some[i], rest)
		}
		s.mu.Unlock()
	}
	return left
}
