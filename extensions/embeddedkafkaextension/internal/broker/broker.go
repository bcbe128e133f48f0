// Package broker runs franz-go's kfake as a broker for one machine: one
// process, loopback, the log in a directory. kfake was written to test
// clients; what it lacks for keeping data is done here, each item with a test:
// a lock, repair before the start, trimming, a size cap, refusals.
package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// forever is longer than any process runs: what kfake does by timers and does badly is put off until then.
	forever = 10 * 365 * 24 * time.Hour
	// reserveBytes must stay free on the disk; below a quarter of it nothing at all is written.
	reserveBytes = 64 << 20
	closedFile   = "closed-cleanly"
	lockFile     = "penstock.lock"
	clusterID    = "penstock-embedded"
)

// ErrLocked says that another process has the directory open.
var ErrLocked = errors.New("another process is using it")

// Settings of a broker. All are required but Problem.
type Settings struct {
	// Address to listen on, host and port; the host must be a loopback address. Port 0 takes a free one.
	Address string
	// Directory holds the log; it is made if it is missing.
	Directory string
	// MaxBytes caps the log on disk. Consumed records are deleted, oldest first, before it is reached; then produce
	// requests are refused until consumers move on. A part of it is reserved for each topic that deletes its records.
	MaxBytes int64
	// SegmentBytes is the size at which a partition begins a new file; only whole files are deleted.
	SegmentBytes int64
	// TrimInterval is the time between looks at size and age.
	TrimInterval time.Duration
	// Problem is told what goes wrong behind the scenes. It is called from the broker's goroutines and must not block.
	Problem func(error)
}

// Broker is a running broker. It is safe for concurrent use.
//
// Memory: about 100 B for each record batch kept, and while starting after a
// crash as much as the log is large.
type Broker struct {
	set     Settings
	repair  Repair
	lock    *flock.Flock
	cluster *kfake.Cluster
	client  *kgo.Client
	admin   *kadm.Client

	bytes      atomic.Int64
	partitions atomic.Int64
	rooms      atomic.Pointer[rooms]
	notes      atomic.Pointer[notes]
	full       atomic.Bool // no room for records of any topic
	exhausted  atomic.Bool // nor for consumers' checkpoints

	stop context.CancelFunc
	done chan struct{}
}

// Open locks and repairs the directory and starts to serve. It returns
// [ErrLocked], or a [DamageError], wrapped.
func Open(set Settings) (_ *Broker, err error) {
	b := &Broker{set: set, done: make(chan struct{})}
	b.rooms.Store(&rooms{})
	b.notes.Store(&notes{})
	if err := os.MkdirAll(set.Directory, 0o750); err != nil {
		return nil, err
	}
	b.lock = flock.New(filepath.Join(set.Directory, lockFile))
	locked, err := b.lock.TryLock()
	if err == nil && !locked {
		err = ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", set.Directory, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.lock.Unlock())
		}
	}()
	mark := filepath.Join(set.Directory, closedFile)
	_, missing := os.Stat(mark)
	if b.repair, err = repair(set.Directory, missing != nil); err != nil {
		return nil, fmt.Errorf("repair %s: %w", set.Directory, err)
	}
	if missing == nil {
		if err := os.Remove(mark); err != nil {
			return nil, err
		}
	}
	host, port, err := net.SplitHostPort(set.Address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("port of %q: %w", set.Address, err)
	}
	b.cluster, err = kfake.NewCluster(
		kfake.Ports(number),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return net.Listen(network, net.JoinHostPort(host, port))
		}),
		kfake.ClusterID(clusterID), kfake.DataDir(set.Directory), kfake.SyncWrites(),
		kfake.BrokerConfigs(map[string]string{
			"default.replication.factor": "1",
			"log.segment.bytes":          strconv.FormatInt(set.SegmentBytes, 10),
			// kfake's own retention empties partitions, and its compaction is not atomic: never run them.
			"log.cleaner.backoff.ms": strconv.FormatInt(forever.Milliseconds(), 10),
			// A group's offsets protect its records from trimming, however long it is away.
			"offsets.retention.minutes": strconv.FormatInt(int64(365*24*time.Hour/time.Minute), 10),
		}),
		kfake.WithLogger(problemLogger{set.Problem}),
	)
	if err != nil {
		return nil, fmt.Errorf("start on %s: %w", set.Address, err)
	}
	b.control()
	b.client, err = kgo.NewClient(kgo.SeedBrokers(b.Address()), kgo.MetadataMinAge(min(set.TrimInterval, time.Second)))
	if err != nil {
		b.cluster.Close()
		return nil, err
	}
	b.admin = kadm.NewClient(b.client)
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	if err = b.trim(ctx); err != nil { // Known before the first record: is there room?
		cancel()
		b.client.Close()
		b.cluster.Close()
		return nil, err
	}
	go b.run(ctx)
	return b, nil
}

func (b *Broker) run(ctx context.Context) {
	defer close(b.done)
	ticker := time.NewTicker(b.set.TrimInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := b.trim(ctx); err != nil && ctx.Err() == nil {
				b.problem(err)
			}
		}
	}
}

// Address is where the broker listens.
func (b *Broker) Address() string { return b.cluster.ListenAddrs()[0] }

// Repaired is what Open had to put right.
func (b *Broker) Repaired() Repair { return b.repair }

// Bytes is the size of the log on disk as of the last look.
func (b *Broker) Bytes() int64 { return b.bytes.Load() }

// Full reports whether produce requests are being refused, of some topic at least.
func (b *Broker) Full() bool { return b.full.Load() || b.rooms.Load().full() }

// Close stops serving, writes everything out and unlocks the directory. It
// must be called once.
func (b *Broker) Close() error {
	b.stop()
	<-b.done
	b.client.Close()
	b.cluster.Close()
	mark := filepath.Join(b.set.Directory, closedFile)
	err := os.WriteFile(mark, nil, 0o644)
	return errors.Join(err, b.lock.Unlock())
}

func (b *Broker) problem(err error) {
	if b.set.Problem != nil {
		b.set.Problem(err)
	}
}

// problemLogger passes on what kfake says at level error or warn: it goes on
// after such things, silently to its callers. That something took some
// milliseconds is none: a flush to disk does.
type problemLogger struct{ problem func(error) }

func (l problemLogger) Logf(level kfake.LogLevel, format string, args ...any) {
	if l.problem != nil && (level == kfake.LogLevelError || level == kfake.LogLevelWarn) && !strings.Contains(format, " slow ") {
		l.problem(fmt.Errorf("kfake: "+format, args...))
	}
}
