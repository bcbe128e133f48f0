// Package broker is a Kafka broker for one machine: one process, loopback only, with its log in a directory. It speaks the part of the Kafka
// protocol that producers (idempotent and transactional), consumers (alone and in groups) and administrators of a journal use. Package commitlog
// keeps the records, package ledger everything else.
package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sync/semaphore"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/ledger"
)

const (
	// reserveBytes must stay free on the disk; below a quarter of it the broker writes nothing at all.
	reserveBytes    = 64 << 20
	lockFile        = "penstock.lock"
	ledgerDirectory = "ledger"
	partitionsName  = "partitions"
	clusterID       = "penstock-embedded"
	nodeID          = 1
)

// ErrLocked says that another process has the directory open.
var ErrLocked = errors.New("another process is using it")

// Settings of a broker. All are required except Allowed, Problem, Found and FS.
type Settings struct {
	// Address to listen on, host and port; the host must be a loopback address. Port 0 takes a free one.
	Address string
	// Directory holds the log. Open creates it if it is missing.
	Directory string
	// MaxBytes caps the log on disk. Before the log reaches it, the broker deletes consumed records, oldest first; after that it refuses produce
	// requests until consumers move on. Each topic that deletes its records has a reserved part.
	MaxBytes int64
	// Allowed returns what MaxBytes would be if the broker was opened when so many bytes of the disk are free. The broker then takes it if it is more.
	// nil: MaxBytes stays.
	Allowed func(free int64) int64
	// SegmentBytes is the size at which a partition begins a new file; only whole files are deleted.
	SegmentBytes int64
	// TrimInterval is the time between two checks of size and age.
	TrimInterval time.Duration
	// Problem is called with errors that no client sees. It is called from the broker's goroutines and must not block.
	Problem func(error)
	// Found is called with each damaged or missing place and its repair; the same rules apply.
	Found func(commitlog.Finding)
	// FS is the file system; nil: the operating system's.
	FS disk.FS
}

// Broker is a running broker. It is safe for concurrent use.
//
// Memory: the index of each partition's last segment, 56 B a record batch; 80 B a segment; requests in flight, at most 128 MiB, and their answers.
type Broker struct {
	set    Settings
	lock   *flock.Flock
	ledger *ledger.Ledger

	mu     sync.RWMutex
	topics map[string]*topic   // guarded by mu
	byID   map[[16]byte]*topic // guarded by mu

	// ending is held for reading from the check of a transactional batch until the batch is in its queue, and for writing while a transaction's end
	// goes into the queues. So no batch follows the end of its transaction.
	ending       sync.RWMutex
	transactions map[string]*ledger.Transaction // guarded by ending
	producers    producerIDs

	creating sync.Mutex // held while topics are created or deleted
	trimming sync.Mutex // held while old records are deleted and free space is shared; taken after creating
	groups   groups

	listener net.Listener
	host     string
	port     int32
	conns    connections
	memory   *semaphore.Weighted

	bytes      atomic.Int64
	limit      atomic.Int64 // Settings.MaxBytes, or what Allowed has said since
	partitions atomic.Int64
	rooms      atomic.Pointer[rooms]
	notes      atomic.Pointer[notes]
	full       atomic.Bool // no space for records of any topic
	exhausted  atomic.Bool // no space for consumers' checkpoints either

	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// Open locks the directory, opens the log and starts to serve. It returns [ErrLocked], wrapped; damage is not an error.
func Open(set Settings) (_ *Broker, err error) {
	if set.FS == nil {
		set.FS = disk.OS{}
	}
	b := newBroker(set)
	if err := set.FS.MakeDirectory(set.Directory); err != nil {
		return nil, err
	}
	b.lock = flock.New(filepath.Join(set.Directory, lockFile), flock.SetPermissions(disk.FileMode))
	locked, err := b.lock.TryLock()
	if err == nil && !locked {
		err = ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", set.Directory, err)
	}
	defer func() {
		if err != nil {
			b.stop()
			b.wg.Wait()
			b.abandon()
			err = errors.Join(err, b.lock.Unlock())
		}
	}()
	if err := b.load(); err != nil {
		return nil, err
	}
	if err := b.trim(time.Now()); err != nil { // Check the free space before the first record arrives.
		return nil, err
	}
	if err := b.listen(); err != nil {
		return nil, err
	}
	b.wg.Go(b.run)
	b.wg.Go(b.serve)
	return b, nil
}

func newBroker(set Settings) *Broker {
	b := &Broker{set: set, topics: map[string]*topic{}, byID: map[[16]byte]*topic{}, transactions: map[string]*ledger.Transaction{},
		memory: semaphore.NewWeighted(requestsBytes)}
	b.ctx, b.stop = context.WithCancel(context.Background())
	b.limit.Store(set.MaxBytes)
	b.rooms.Store(&rooms{})
	b.notes.Store(&notes{})
	b.groups.init(b)
	b.producers.b = b
	return b
}

// Limit is the current cap of the log on disk, in bytes.
func (b *Broker) Limit() int64 { return b.limit.Load() }

func (b *Broker) listen() (err error) {
	if b.listener, err = net.Listen("tcp", b.set.Address); err != nil {
		return fmt.Errorf("start on %s: %w", b.set.Address, err)
	}
	host, port, err := net.SplitHostPort(b.listener.Addr().String())
	if err != nil {
		return errors.Join(err, b.listener.Close())
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return errors.Join(err, b.listener.Close())
	}
	b.host, b.port = host, int32(n)
	return nil
}

// run checks size, age, transactions and sessions until Close.
func (b *Broker) run() {
	ticker := time.NewTicker(b.set.TrimInterval)
	defer ticker.Stop()
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		if err := errors.Join(b.trim(now), b.expireTransactions(now), b.Maintain()); err != nil && b.ctx.Err() == nil {
			b.problem(err)
		}
	}
}

// Maintain reports damage that readers found since the last call. It runs in each TrimInterval.
func (b *Broker) Maintain() (err error) {
	for _, t := range b.allTopics() {
		for _, p := range t.partitions {
			found, e := p.log.Maintain()
			err = errors.Join(err, e)
			for _, f := range found {
				b.found(f)
			}
			if len(found) > 0 {
				p.wake()
			}
		}
	}
	return err
}

// Address is the address that the broker listens on.
func (b *Broker) Address() string { return b.listener.Addr().String() }

// Bytes is the size of the log on disk at the last check.
func (b *Broker) Bytes() int64 { return b.bytes.Load() }

// Full reports whether the broker refuses produce requests of at least one topic.
func (b *Broker) Full() bool { return b.full.Load() || b.rooms.Load().full() }

// Close stops serving, records where the logs end, and unlocks the directory. It must be called once.
func (b *Broker) Close() error {
	b.stopServing()
	err := b.ledger.Close()
	for _, t := range b.allTopics() {
		for _, p := range t.partitions {
			err = errors.Join(err, p.log.Close())
		}
	}
	return errors.Join(err, b.lock.Unlock())
}

func (b *Broker) stopServing() {
	b.stop()
	_ = b.listener.Close()
	b.conns.closeAll()
	b.wg.Wait()
}

// Abandon ends the broker as a kill of its process would: it writes nothing more.
func (b *Broker) Abandon() error {
	b.stopServing()
	b.abandon()
	return b.lock.Unlock()
}

func (b *Broker) abandon() {
	if b.ledger != nil {
		b.ledger.Abandon()
	}
	for _, t := range b.allTopics() {
		for _, p := range t.partitions {
			p.log.Abandon()
		}
	}
}

func (b *Broker) problem(err error) {
	if b.set.Problem != nil {
		b.set.Problem(err)
	}
}

func (b *Broker) found(f commitlog.Finding) {
	if b.set.Found != nil {
		b.set.Found(f)
	}
}
