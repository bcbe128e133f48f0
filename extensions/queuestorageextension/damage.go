package queuestorageextension

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/boltfile"
	"github.com/penstockhq/penstock/internal/durable"
)

// Reasons in addition to the kinds of [boltfile.Damage].
const (
	reasonOneRoot    = "one_root"
	reasonUnreadable = "unreadable"
	reasonValue      = "value"
	reasonRequests   = "requests"
)

// bucket is the bucket in which file_storage stores everything.
const bucket = "default"

// owner is the component that a file belongs to.
type owner struct {
	kind component.Kind
	id   component.ID
	name string
}

func (o owner) String() string { return strings.ToLower(o.kind.String()) + " " + o.id.String() }

// loses describes the data lost with the owner's file, and the consequence.
func (o owner) loses() (lost, follows string) {
	switch {
	case isQueue(o.kind, o.name):
		return "requests that " + o.String() + " had accepted for " + o.name + " and not yet sent", "the queue starts empty"
	case o.kind == component.KindReceiver:
		return "the position up to which " + o.String() + " had read",
			"it starts again where its configuration says (start_at): entries may be read twice, or skipped"
	case o.kind == component.KindProcessor:
		return "the state of " + o.String() + ": open windows, and the last value of each stream", "it starts afresh"
	default:
		return "what " + o.String() + " had stored", "it starts afresh"
	}
}

// contents are the keys of a queue's file.
type contents struct {
	requests []uint64 // ascending
	legacy   bool     // the queue's state has the form of older collectors
	foreign  int      // keys that no queue writes
}

func (c *contents) add(key []byte, _ func() ([]byte, error)) error {
	switch k := string(key); k {
	case metadataKey:
	case "ri", "wi", "di":
		c.legacy = true
	default:
		if n, err := strconv.ParseUint(k, 10, 62); err == nil && itemKey(n) == k {
			c.requests = append(c.requests, n)
			return nil
		}
		c.foreign++
	}
	return nil
}

// examine checks the file at path before it is opened. A damaged file is set aside: then contents are nil, as for a missing file. A file that
// another process has open is left to that process.
func (q *queueStorage) examine(path string, o owner) (*contents, error) {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return nil, nil // a new file, or an error that opening it will report
	}
	lock := flock.New(path)
	if taken, err := lock.TryLock(); err != nil || !taken {
		return nil, nil
	}
	var found contents
	report, err := boltfile.CheckFile(path, bucket, found.add)
	if cerr := lock.Close(); err == nil && cerr != nil {
		return nil, cerr
	}
	var damage *boltfile.Damage
	switch {
	case errors.As(err, &damage):
		return nil, q.setAside(path, o, string(damage.Kind), damage.Text)
	case errors.Is(err, fs.ErrPermission):
		return nil, err
	case err != nil:
		return nil, q.setAside(path, o, reasonUnreadable, err.Error())
	}
	if report.OneRoot {
		q.count(reasonOneRoot)
		q.set.Logger.Error("One of the two root pages of a file is damaged. It is read from the other one: the last change made to it may be missing",
			zap.String("file", path), zap.Stringer("owner", o))
	}
	slices.Sort(found.requests)
	return &found, nil
}

// setAside renames the file at path, and logs what is known about its content.
func (q *queueStorage) setAside(path string, o owner, reason, text string) error {
	var size int64
	var written time.Time
	if info, err := os.Stat(path); err == nil {
		size, written = info.Size(), info.ModTime()
	}
	aside, err := durable.SetAside(path, time.Now())
	if err != nil {
		return fmt.Errorf("%s is damaged (%s) and can't be set aside: %w", path, text, err)
	}
	q.count(reason)
	lost, follows := o.loses()
	q.set.Logger.Error("A damaged file was set aside; its content is not used", zap.String("file", path), zap.String("kept_as", aside),
		zap.String("damage", text), zap.Int64("bytes", size), zap.Time("last_written", written),
		zap.String("may_be_lost", lost), zap.String("follows", follows))
	return nil
}

// damagedValue stores a value that doesn't match its checksum as a separate file.
func (q *queueStorage) damagedValue(path string, o owner) func(key string, stored []byte) {
	return func(key string, stored []byte) {
		q.count(reasonValue)
		lost, _ := o.loses()
		aside, err := durable.WriteAside(path, time.Now(), stored)
		q.set.Logger.Error("A stored value does not match its checksum and is not used", zap.String("file", path), zap.String("key", key),
			zap.String("kept_as", aside), zap.Int("bytes", len(stored)), zap.String("may_be_lost", "of "+lost+", this one value"), zap.Error(err))
	}
}

func (q *queueStorage) count(reason string) {
	q.telemetry.ExtensionQueueStorageDamaged.Add(context.Background(), 1, metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", reason))))
}

// openFile opens the file of o. If bbolt panics, or reads mapped memory beyond the file, the file is set aside and a new one created: this is the
// second check, after examine.
func (q *queueStorage) openFile(ctx context.Context, path string, o owner) (storage.Client, error) {
	client, panicked, err := q.tryOpen(ctx, o)
	if panicked == nil {
		return client, err
	}
	if err := q.setAside(path, o, string(boltfile.Page), fmt.Sprint(panicked)); err != nil {
		return nil, err
	}
	client, panicked, err = q.tryOpen(ctx, o)
	if panicked != nil {
		err = fmt.Errorf("open a new file: %v", panicked)
	}
	return client, err
}

func (q *queueStorage) tryOpen(ctx context.Context, o owner) (client storage.Client, panicked any, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { panicked = recover() }()
	client, err = q.files.GetClient(ctx, o.kind, o.id, o.name)
	return client, nil, err
}

// path is the path at which file_storage stores the file of o.
func (q *queueStorage) path(o owner) string {
	parts := []string{strings.ToLower(o.kind.String()), o.id.Type().String(), o.id.Name()}
	if o.name != "" {
		parts = append(parts, o.name)
	}
	var b strings.Builder
	for _, c := range strings.Join(parts, "_") {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, "~%04X", c)
		}
	}
	path := filepath.Join(q.cfg.Directory, b.String())
	if _, err := os.Lstat(path); errors.Is(err, syscall.ENAMETOOLONG) {
		sum := sha256.Sum256([]byte(b.String()))
		path = filepath.Join(q.cfg.Directory, hex.EncodeToString(sum[:]))
	}
	return path
}
