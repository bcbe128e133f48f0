package queuestorageextension

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pipeline"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/queuestorageextension/internal/metadata"
	"github.com/penstockhq/penstock/internal/durable"
)

const (
	directoryPermissions = 0o700
	lockName             = "owner.lock"
)

var errNotStarted = errors.New("queue_storage is not started")

// queueStorage returns clients of its own file_storage. The collector calls its methods in order; clients are safe for concurrent use.
type queueStorage struct {
	cfg *Config
	set extension.Settings

	// open opens the underlying storage, once the directory is locked.
	open func(ctx context.Context) (storage.Extension, error)
	// firstWait is the pause before a failed read is tried again.
	firstWait time.Duration

	telemetry *metadata.TelemetryBuilder

	lock  *flock.Flock
	files storage.Extension
	host  component.Host
}

var _ storage.Extension = (*queueStorage)(nil)

func newQueueStorage(cfg *Config, set extension.Settings) (*queueStorage, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, err
	}
	q := &queueStorage{cfg: cfg, set: set, firstWait: defaultFirstWait, telemetry: telemetry}
	q.open = q.openFiles
	return q, nil
}

// Start locks the directory. It is an error if another process, or another extension of this process, has it.
func (q *queueStorage) Start(ctx context.Context, host component.Host) error {
	if err := os.MkdirAll(q.cfg.Directory, directoryPermissions); err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	if err := q.takeDirectory(); err != nil {
		return err
	}
	files, err := q.open(ctx)
	if err == nil {
		err = files.Start(ctx, host)
	}
	if err != nil {
		return errors.Join(err, q.lock.Close())
	}
	q.files, q.host = files, host
	return nil
}

// Shutdown unlocks the directory. Clients must be closed.
func (q *queueStorage) Shutdown(ctx context.Context) error {
	q.telemetry.Shutdown()
	if q.files == nil {
		return nil
	}
	err := errors.Join(q.files.Shutdown(ctx), q.lock.Close())
	q.files = nil
	return err
}

// GetClient opens the file of one component. A damaged file is set aside and a new one created: see [queueStorage.examine]. Requests in flight of
// an earlier process are put back among the waiting ones first; an error means that this failed, without losing anything.
func (q *queueStorage) GetClient(ctx context.Context, kind component.Kind, id component.ID, name string) (storage.Client, error) {
	if q.files == nil {
		return nil, errNotStarted
	}
	o := owner{kind, id, name}
	path := q.path(o)
	found, err := q.examine(path, o)
	if err != nil {
		return nil, err
	}
	file, err := q.openFile(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("open the storage of %s %s in %q (is it open elsewhere?): %w",
			strings.ToLower(kind.String()), id, q.cfg.Directory, err)
	}
	if found == nil && q.cfg.FSync { // bbolt makes the content of a new file durable, but not its name
		if err := durable.SyncDir(q.cfg.Directory); err != nil {
			return nil, errors.Join(err, file.Close(ctx))
		}
	}
	client := &sealedClient{file: file, damaged: q.damagedValue(path, o)}
	if !isQueue(kind, name) {
		return client, nil
	}
	log := q.set.Logger.With(zap.Stringer("exporter", id), zap.String("signal", name))
	if err := q.requeueInFlight(ctx, client, found, log); err != nil {
		return nil, errors.Join(fmt.Errorf("recover the queue of exporter %s for %s: %w", id, name, err), client.Close(ctx))
	}
	return &queueClient{file: client, log: log, firstWait: q.firstWait, fatal: func(err error) {
		componentstatus.ReportStatus(q.host, componentstatus.NewFatalErrorEvent(err))
	}}, nil
}

// isQueue distinguishes exporterhelper's queues, which are named by their signal, from other users of a storage.
func isQueue(kind component.Kind, name string) bool {
	var signal pipeline.Signal
	return kind == component.KindExporter && signal.UnmarshalText([]byte(name)) == nil
}

// openFiles opens the underlying file_storage. Compaction returns the space of a drained queue to the file system. Its copy stays in the same
// directory, because across file systems file_storage would truncate the queue before it copies.
func (q *queueStorage) openFiles(ctx context.Context) (storage.Extension, error) {
	factory := filestorage.NewFactory()
	cfg := factory.CreateDefaultConfig().(*filestorage.Config)
	cfg.Directory = q.cfg.Directory
	cfg.FSync = q.cfg.FSync
	cfg.Compaction.Directory = q.cfg.Directory
	cfg.Compaction.OnRebound = true
	cfg.Compaction.CleanupOnStart = true
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	set := q.set
	set.ID = component.NewIDWithName(factory.Type(), q.set.ID.String())
	files, err := factory.Create(ctx, set, cfg)
	if err != nil {
		return nil, err
	}
	return files.(storage.Extension), nil
}

// takeDirectory locks the directory. The lock ends with the process, however that ends.
func (q *queueStorage) takeDirectory() error {
	path := filepath.Join(q.cfg.Directory, lockName)
	q.lock = flock.New(path, flock.SetPermissions(0o600))
	taken, err := q.lock.TryLock()
	if err != nil {
		return fmt.Errorf("directory: lock %q: %w", path, err)
	}
	if taken {
		// The number is only information for a process that finds the lock.
		_ = os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600)
		return nil
	}
	owner := ""
	if pid, err := os.ReadFile(path); err == nil && len(pid) > 0 {
		owner = " (process " + strings.TrimSpace(string(pid)) + ")"
	}
	return fmt.Errorf("directory: %q is in use by another collector or queue_storage%s; each needs its own directory",
		q.cfg.Directory, owner)
}
