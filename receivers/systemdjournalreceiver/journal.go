package systemdjournalreceiver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/handover"
	"github.com/penstockhq/penstock/receivers/systemdjournalreceiver/internal/entry"
	"github.com/penstockhq/penstock/receivers/systemdjournalreceiver/internal/metadata"
)

const (
	// maxLine bounds an entry in journalctl's output, where a byte that is not printable takes up to four.
	maxLine = 32 << 20
	// rest is how much is kept of a line that is not an entry, or too large.
	rest = 64 << 10
	// lastTries is how long a stop waits for the pipeline to accept what was read; the rest is read again.
	lastTries = 5 * time.Second

	firstWait = 500 * time.Millisecond
	lastWait  = 30 * time.Second

	malformed = "malformed"
	tooLarge  = "too_large"
)

// journal reads journalctl's output, and one goroutine sends it and saves the position.
type journal struct {
	cfg       *Config
	set       receiver.Settings
	next      consumer.Logs
	obs       *receiverhelper.ObsReport
	telemetry *metadata.TelemetryBuilder

	client storage.Client
	host   string // of entries without one
	batch  *handover.Batch
	cursor string // of the last entry read; used by the reading goroutine only

	stopReading, stopDelivering context.CancelFunc
	reading, delivering         sync.WaitGroup
}

var _ receiver.Logs = (*journal)(nil)

func newJournal(cfg *Config, set receiver.Settings, next consumer.Logs) (*journal, error) {
	obs, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{ReceiverID: set.ID, ReceiverCreateSettings: set})
	if err != nil {
		return nil, err
	}
	return &journal{cfg: cfg, set: set, next: next, obs: obs, batch: handover.NewBatch(metadata.ScopeName)}, nil
}

// Start starts reading after the saved position.
func (j *journal) Start(ctx context.Context, host component.Host) (err error) {
	if _, err := exec.LookPath(j.cfg.JournalctlPath); err != nil {
		return fmt.Errorf("journalctl_path: %w", err)
	}
	if j.host, err = os.Hostname(); err != nil {
		j.host = "localhost"
	}
	if j.telemetry, err = metadata.NewTelemetryBuilder(j.set.TelemetrySettings); err != nil {
		return err
	}
	if j.client, err = storageClient(ctx, host, j.cfg.Storage, j.set.ID); err != nil {
		return err
	}
	if j.cursor, err = j.loadCursor(ctx, host); err != nil {
		return fmt.Errorf("read the position: %w", err)
	}
	var reading, delivering context.Context
	reading, j.stopReading = context.WithCancel(context.Background())
	delivering, j.stopDelivering = context.WithCancel(context.Background())
	j.reading.Go(func() { j.run(reading) })
	j.delivering.Go(func() { j.deliver(delivering) })
	return nil
}

// Shutdown ends journalctl, and waits a while for the pipeline to accept what was read. It may be repeated, and called without Start.
func (j *journal) Shutdown(ctx context.Context) (err error) {
	if j.stopReading != nil {
		impatient := time.AfterFunc(lastTries, j.stopDelivering)
		j.stopReading()
		j.batch.Close()
		j.reading.Wait()
		j.delivering.Wait()
		impatient.Stop()
		j.stopDelivering()
		j.stopReading = nil
	}
	if j.client != nil {
		err = j.client.Close(ctx)
		j.client = nil
	}
	if j.telemetry != nil {
		j.telemetry.Shutdown()
	}
	return err
}

// deliver sends one batch after the other to the pipeline, and saves the position after each; the next one is filled meanwhile.
func (j *journal) deliver(ctx context.Context) {
	for {
		taken, ok := j.batch.Take()
		if !ok {
			return
		}
		op := j.obs.StartLogsOp(ctx)
		err := handover.Logs(ctx, j.next, taken.Logs)
		if ctx.Err() != nil && err != nil {
			return // it is read again
		}
		j.obs.EndLogsOp(op, "journald", taken.Records, err)
		if err != nil {
			j.set.Logger.Error("the pipeline refused entries permanently", zap.Int("entries", taken.Records), zap.Error(err))
		}
		if taken.Position == "" {
			continue
		}
		if err := j.client.Set(context.WithoutCancel(ctx), cursorKey, []byte(taken.Position)); err != nil {
			j.set.Logger.Error("the position was not saved: after a crash the entries since the last save are read again", zap.Error(err))
		}
	}
}

// run follows the journal, and restarts journalctl when it ends.
func (j *journal) run(ctx context.Context) {
	wait := firstWait
	for {
		read, err := j.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if read > 0 {
			wait = firstWait
		}
		j.telemetry.ReceiverSystemdJournalRestarts.Add(ctx, 1)
		j.set.Logger.Warn("journalctl ended: restarting it", zap.Duration("in", wait), zap.Error(err))
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		wait = min(2*wait, lastWait)
	}
}

// follow runs journalctl once, and returns how many lines it wrote and why it ended.
func (j *journal) follow(ctx context.Context) (read int, err error) {
	if j.cursor == "" && j.cfg.StartAt == "end" {
		if j.cursor, err = j.begin(ctx); err != nil {
			return 0, fmt.Errorf("find the end of the journal: %w", err)
		}
	}
	return j.execute(ctx, j.cfg.arguments(j.cursor), j.add)
}

// execute runs journalctl and passes each line to line, until that returns false.
func (j *journal) execute(ctx context.Context, arguments []string, line func(text []byte, reason string) bool) (read int, err error) {
	cmd := exec.CommandContext(ctx, j.cfg.JournalctlPath, arguments...)
	cmd.WaitDelay = lastTries
	complaints := &head{}
	cmd.Stderr = complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	lines := bufio.NewReaderSize(out, rest)
	for {
		text, reason, readErr := next(lines)
		if len(text) > 0 {
			read++
			if !line(text, reason) {
				break
			}
		}
		if readErr != nil {
			break
		}
	}
	_ = out.Close() // journalctl ends with its next write, if it has not ended
	if err = cmd.Wait(); len(complaints.text) > 0 {
		err = errors.Join(err, errors.New(string(complaints.text)))
	}
	return read, err
}

// next returns a line without its newline. Of a line that is too large it returns the beginning, and the reason.
func next(r *bufio.Reader) (line []byte, reason string, err error) {
	for {
		part, err := r.ReadSlice('\n')
		switch {
		case reason != "":
		case len(line)+len(part) > maxLine:
			reason = tooLarge
			line = line[:min(len(line), rest)]
		default:
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, "", err // the line is incomplete: it is read again
		}
		return line, reason, err
	}
}

// add makes a record of a line, and returns false if the receiver stops. A line that is not an entry becomes a record with its text.
func (j *journal) add(line []byte, reason string) bool {
	record := plog.NewLogRecord()
	record.SetObservedTimestamp(pcommon.NewTimestampFromTime(time.Now()))
	var e entry.Entry
	if reason == "" {
		var err error
		if e, err = entry.Parse(line, record); err != nil {
			reason = malformed
		}
	}
	if reason != "" {
		j.telemetry.ReceiverSystemdJournalUnparsedEntries.Add(context.Background(), 1, metric.WithAttributes(attribute.String("reason", reason)))
		record.Body().SetStr(string(toText(line[:min(len(line), rest)])))
	}
	position := j.cursor
	if e.Cursor != "" {
		position = e.Cursor
	}
	if e.Host == "" {
		e.Host = j.host
	}
	if e.Service == "" {
		e.Service = j.cfg.ServiceName
	}
	if !j.batch.Add(handover.Origin{Host: e.Host, Service: e.Service}, record, len(line), position) {
		return false
	}
	j.cursor = position
	return true
}
