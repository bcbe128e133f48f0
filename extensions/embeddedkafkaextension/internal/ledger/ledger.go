// Package ledger keeps the state of a Kafka cluster other than records: topics, the offsets that groups have committed, producers and their
// transactions. It is a log of changes on disk, folded in memory; snapshots allow the log to be trimmed.
package ledger

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
)

const (
	// snapshotEvery is the growth of the log between two snapshots.
	snapshotEvery = 4 << 20
	// entriesPerBatch bounds a batch of a snapshot.
	entriesPerBatch = 200
	segmentBytes    = 1 << 20
)

// Topic is a topic.
type Topic struct {
	Name       string            `json:"name"`
	ID         [16]byte          `json:"id"`
	Partitions int32             `json:"partitions"`
	Configs    map[string]string `json:"configs,omitempty"`
}

// Partition names a partition.
type Partition struct {
	Topic string `json:"t"`
	Index int32  `json:"p"`
}

// Offset is what a group has committed for a partition.
type Offset struct {
	Partition
	Offset   int64   `json:"o"`
	Epoch    int32   `json:"e"`
	Metadata *string `json:"m,omitempty"`
}

// TransactionState is the progress of a transaction.
type TransactionState string

// States of a transaction. Commit and Abort are decided, but the markers are not yet in all partitions.
const (
	Empty     TransactionState = ""
	Ongoing   TransactionState = "ongoing"
	Commit    TransactionState = "commit"
	Abort     TransactionState = "abort"
	Committed TransactionState = "committed"
	Aborted   TransactionState = "aborted"
)

// Transaction is a transactional id with its latest transaction.
type Transaction struct {
	ID         string              `json:"id"`
	Producer   int64               `json:"producer"`
	Epoch      int16               `json:"epoch"`
	Timeout    int32               `json:"timeout"` // milliseconds
	State      TransactionState    `json:"state,omitempty"`
	Began      int64               `json:"began,omitempty"` // milliseconds since 1970
	Partitions []Partition         `json:"partitions,omitempty"`
	Offsets    map[string][]Offset `json:"offsets,omitempty"` // by group: committed with it
}

// Change is one change. Exactly one of its fields is set.
type Change struct {
	Topic       *Topic       `json:"topic,omitempty"`
	NoTopic     string       `json:"no_topic,omitempty"`
	Group       string       `json:"group,omitempty"`
	Offsets     []Offset     `json:"offsets,omitempty"` // of Group
	Forget      []Partition  `json:"forget,omitempty"`  // of Group
	NoGroup     string       `json:"no_group,omitempty"`
	Transaction *Transaction `json:"transaction,omitempty"`
	Producer    int64        `json:"producer,omitempty"` // every assigned producer id is smaller
	Floor       *Floor       `json:"floor,omitempty"`
	Snapshot    bool         `json:"snapshot,omitempty"` // a snapshot begins here
}

// Floor is larger than every offset that was ever appended to a partition.
type Floor struct {
	Partition
	Floor int64 `json:"f"`
}

// Ledger is the fold of all changes. It is safe for concurrent use.
type Ledger struct {
	log *commitlog.Partition
	set commitlog.Settings

	write sync.Mutex // one change at a time

	mu           sync.Mutex
	topics       map[string]Topic
	offsets      map[string]map[Partition]Offset
	transactions map[string]Transaction
	producer     int64
	floors       map[Partition]int64
	snapshots    []int64 // offsets at which the latest two begin; guarded by write
	grown        int     // bytes since the latest; guarded by write
}

// Open reads the ledger in set.Directory, or creates it. Damaged entries are left out and listed in the findings.
func Open(set commitlog.Settings) (*Ledger, []commitlog.Finding, error) {
	set.SegmentBytes = segmentBytes
	log, findings, err := commitlog.OpenPartition(set)
	if err != nil {
		return nil, findings, err
	}
	l := &Ledger{log: log, set: set, topics: map[string]Topic{}, offsets: map[string]map[Partition]Offset{}, transactions: map[string]Transaction{},
		floors: map[Partition]int64{}}
	start, _, end := log.Range()
	for from := start; from < end; {
		r, err := log.Read(from, 1<<20, false)
		if err != nil {
			log.Abandon()
			return nil, findings, err
		}
		if len(r.Batches) == 0 {
			break
		}
		for raw := r.Batches; len(raw) > 0; {
			b, err := commitlog.Parse(raw)
			if err != nil {
				break
			}
			var changes []Change
			if !b.Control() && json.Unmarshal(commitlog.PayloadOf(raw[:b.Size]), &changes) == nil {
				l.apply(changes)
				if len(changes) > 0 && changes[0].Snapshot {
					l.began(b.First)
				}
			}
			raw, from = raw[b.Size:], b.Next
		}
	}
	if l.producer == 0 { // After a lost ledger, ids that partitions remember must not be assigned again.
		l.producer = 1 + rand.Int64N(1<<61)
	}
	more, err := log.Maintain()
	findings = append(findings, more...)
	if err == nil {
		err = l.snapshot()
	}
	if err != nil {
		log.Abandon()
		return nil, findings, err
	}
	return l, findings, nil
}

// Write writes changes to disk and then applies them, all or none. After an error, the next start may find them.
func (l *Ledger) Write(changes ...Change) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.append(changes); err != nil {
		return err
	}
	if l.grown > snapshotEvery && l.snapshot() != nil {
		l.grown = snapshotEvery / 2 // It will be retried later; the changes are on disk.
	}
	return nil
}

func (l *Ledger) append(changes []Change) error {
	payload, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	raw := commitlog.Payload(payload, l.set.Now().UnixMilli())
	b, err := commitlog.Parse(raw)
	if err != nil {
		return err
	}
	ticket := l.log.Enqueue(raw, b)
	for l.log.Commit() {
	}
	<-ticket.Done()
	if ticket.Err != nil {
		return fmt.Errorf("write the ledger: %w", ticket.Err)
	}
	l.grown += len(raw)
	l.apply(changes)
	return nil
}

// apply folds changes.
func (l *Ledger) apply(changes []Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range changes {
		switch {
		case c.Topic != nil:
			l.topics[c.Topic.Name] = *c.Topic
		case c.NoTopic != "":
			l.applyNoTopic(c.NoTopic)
		case c.NoGroup != "":
			delete(l.offsets, c.NoGroup)
		case c.Group != "":
			of := l.offsets[c.Group]
			if of == nil {
				of = map[Partition]Offset{}
				l.offsets[c.Group] = of
			}
			for _, o := range c.Offsets {
				of[o.Partition] = o
			}
			for _, p := range c.Forget {
				delete(of, p)
			}
		case c.Transaction != nil:
			l.transactions[c.Transaction.ID] = *c.Transaction
		case c.Floor != nil:
			l.floors[c.Floor.Partition] = max(l.floors[c.Floor.Partition], c.Floor.Floor)
		}
		l.producer = max(l.producer, c.Producer)
	}
}

func (l *Ledger) applyNoTopic(name string) {
	delete(l.topics, name)
	for p := range l.floors {
		if p.Topic == name {
			delete(l.floors, p)
		}
	}
	for _, of := range l.offsets {
		for p := range of {
			if p.Topic == name {
				delete(of, p)
			}
		}
	}
}

// snapshot writes the whole state again, and trims everything before the previous snapshot.
func (l *Ledger) snapshot() error {
	_, _, at := l.log.Range()
	for batch := range slices.Chunk(l.all(), entriesPerBatch) {
		if err := l.append(batch); err != nil {
			return err
		}
	}
	l.grown = 0
	l.began(at)
	if len(l.snapshots) < 2 {
		return nil // Entries from before the start stay until the next snapshot.
	}
	_, err := l.log.Trim(l.snapshots[0])
	return err
}

// began records where a snapshot begins.
func (l *Ledger) began(at int64) {
	if l.snapshots = append(l.snapshots, at); len(l.snapshots) > 2 {
		l.snapshots = l.snapshots[1:]
	}
}

// all returns the changes that turn an empty ledger into this one.
func (l *Ledger) all() (out []Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out = append(out, Change{Snapshot: true, Producer: l.producer})
	for _, name := range slices.Sorted(maps.Keys(l.topics)) {
		t := l.topics[name]
		out = append(out, Change{Topic: &t})
	}
	for _, group := range slices.Sorted(maps.Keys(l.offsets)) {
		out = append(out, Change{Group: group, Offsets: slices.Collect(maps.Values(l.offsets[group]))})
	}
	for _, id := range slices.Sorted(maps.Keys(l.transactions)) {
		t := l.transactions[id]
		out = append(out, Change{Transaction: &t})
	}
	for p, floor := range l.floors {
		out = append(out, Change{Floor: &Floor{p, floor}})
	}
	return out
}

// Topics lists all topics by name.
func (l *Ledger) Topics() []Topic {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Topic, 0, len(l.topics))
	for _, name := range slices.Sorted(maps.Keys(l.topics)) {
		out = append(out, l.topics[name])
	}
	return out
}

// Floor returns the known floor of a partition's offsets; 0: unknown.
func (l *Ledger) Floor(p Partition) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.floors[p]
}

// Groups lists the groups that have committed.
func (l *Ledger) Groups() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.offsets))
}

// Offsets returns the committed offsets of a group, in order of topic and partition; ok is false for a group that has committed nothing.
func (l *Ledger) Offsets(group string) (out []Offset, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of, ok := l.offsets[group]
	out = slices.SortedFunc(maps.Values(of), func(a, b Offset) int {
		if a.Topic != b.Topic {
			if a.Topic < b.Topic {
				return -1
			}
			return 1
		}
		return int(a.Index - b.Index)
	})
	return out, ok
}

// Consumed returns the lowest offset that any group has committed, for each partition with committed offsets.
func (l *Ledger) Consumed() map[Partition]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[Partition]int64{}
	for _, of := range l.offsets {
		for p, o := range of {
			if have, ok := out[p]; !ok || o.Offset < have {
				out[p] = o.Offset
			}
		}
	}
	return out
}

// Transactions lists all transactional ids.
func (l *Ledger) Transactions() []Transaction {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Values(l.transactions))
}

// NextProducer returns the lowest producer id that was not assigned yet, according to the state on disk.
func (l *Ledger) NextProducer() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.producer
}

// Bytes is the approximate size of the ledger on disk.
func (l *Ledger) Bytes() (n int64) {
	for _, s := range l.log.Segments() {
		n += s.Bytes
	}
	return n
}

// Close closes the ledger. It must be called once.
func (l *Ledger) Close() error { return l.log.Close() }

// Abandon closes the files and writes nothing.
func (l *Ledger) Abandon() { l.log.Abandon() }
