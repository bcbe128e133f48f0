package broker

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/ledger"
)

// deletedSuffix is on the directories of partitions that are being deleted.
const deletedSuffix = ".deleted"

// topic is a topic with its open partitions. ledger.Topic is replaced as a whole, never changed.
type topic struct {
	ledger.Topic
	partitions []*partition
}

// partition is an open partition with the goroutine that commits to it.
type partition struct {
	log  *commitlog.Partition
	kick chan struct{}
	gone chan struct{} // closed when its topic is deleted
}

// label is the copy of a topic that each of its partitions keeps, so that a lost ledger can be rebuilt.
type label struct {
	Topic     ledger.Topic `json:"topic"`
	Partition int32        `json:"partition"`
}

func (b *Broker) partitionDirectory(topic string, index int32) string {
	return filepath.Join(b.set.Directory, partitionsName, fmt.Sprintf("%s-%d", url.PathEscape(topic), index))
}

// load opens everything in the directory.
func (b *Broker) load() error {
	if err := b.set.FS.MakeDirectory(filepath.Join(b.set.Directory, partitionsName)); err != nil {
		return err
	}
	if err := b.adoptKfake(); err != nil {
		return fmt.Errorf("convert %s: %w", b.set.Directory, err)
	}
	if err := b.openLedger(); err != nil {
		return err
	}
	for _, t := range b.ledger.Topics() {
		if err := b.openTopic(t); err != nil {
			return err
		}
	}
	if err := b.adoptOrphans(); err != nil {
		return err
	}
	for _, t := range b.ledger.Transactions() {
		b.transactions[t.ID] = &t
	}
	return b.settleTransactions()
}

func (b *Broker) openLedger() error {
	l, findings, err := ledger.Open(commitlog.Settings{FS: b.set.FS, Directory: filepath.Join(b.set.Directory, ledgerDirectory), Now: time.Now})
	for _, f := range findings {
		f.First, f.Next = 0, 0 // These offsets are the ledger's, not those of records.
		f.Done += "; topics are restored from their partitions; group offsets and transactions that were stored there may be older than before"
		b.found(f)
	}
	if err != nil {
		return fmt.Errorf("open the ledger: %w", err)
	}
	b.ledger = l
	return nil
}

// openTopic opens a topic's partitions; missing ones start empty.
func (b *Broker) openTopic(t ledger.Topic) error {
	out := &topic{Topic: t}
	for i := range t.Partitions {
		p, err := b.openPartition(t, i)
		if err != nil {
			for _, p := range out.partitions {
				p.log.Abandon()
			}
			return err
		}
		out.partitions = append(out.partitions, p)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics[t.Name], b.byID[t.ID] = out, out
	b.partitions.Add(int64(t.Partitions))
	return nil
}

func (b *Broker) openPartition(t ledger.Topic, index int32) (*partition, error) {
	name := ledger.Partition{Topic: t.Name, Index: index}
	log, findings, err := commitlog.OpenPartition(commitlog.Settings{
		FS: b.set.FS, Directory: b.partitionDirectory(t.Name, index), Label: label{t, index}, SegmentBytes: b.segmentBytes(t), Now: time.Now,
		Floor: b.ledger.Floor(name),
		Reserve: func(floor int64) error {
			return b.ledger.Write(ledger.Change{Floor: &ledger.Floor{Partition: name, Floor: floor}})
		},
	})
	for _, f := range findings {
		b.found(f)
	}
	if err != nil {
		return nil, err
	}
	p := &partition{log: log, kick: make(chan struct{}, 1), gone: make(chan struct{})}
	b.wg.Go(func() { p.run(b) })
	return p, nil
}

func (b *Broker) segmentBytes(t ledger.Topic) int64 {
	if n, err := strconv.ParseInt(t.Configs["segment.bytes"], 10, 64); err == nil && n > 0 {
		return min(n, b.set.SegmentBytes)
	}
	return b.set.SegmentBytes
}

// run commits enqueued batches. Batches that arrive during a flush share the next one.
func (p *partition) run(b *Broker) {
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-p.gone:
			return
		case <-p.kick:
			for p.log.Commit() {
			}
		}
	}
}

func (p *partition) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// append enqueues a batch and wakes the committer.
func (p *partition) append(raw []byte, batch commitlog.Batch) *commitlog.Ticket {
	t := p.log.Enqueue(raw, batch)
	p.wake()
	return t
}

// adoptOrphans adds the partitions that the ledger does not know, and removes the remains of deleted ones.
func (b *Broker) adoptOrphans() error {
	entries, err := b.set.FS.ReadDirectory(filepath.Join(b.set.Directory, partitionsName))
	if err != nil {
		return err
	}
	found := map[string]ledger.Topic{}
	for _, e := range entries {
		directory := filepath.Join(b.set.Directory, partitionsName, e.Name)
		if !e.Directory {
			continue
		}
		if strings.HasSuffix(e.Name, deletedSuffix) {
			if err := b.removeDirectory(directory); err != nil {
				return err
			}
			continue
		}
		name, index, ok := splitName(e.Name)
		if known, is := b.topics[name]; !ok || is && index < known.Partitions {
			continue
		}
		t := found[name]
		if t.Name == "" {
			t = b.orphan(directory, name)
		}
		t.Partitions = max(t.Partitions, index+1)
		found[name] = t
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		t := found[name]
		if known := b.topics[name]; known != nil {
			continue // The topic has fewer partitions than directories; the surplus is ignored.
		}
		if err := b.ledger.Write(ledger.Change{Topic: &t}); err != nil {
			return err
		}
		if err := b.openTopic(t); err != nil {
			return err
		}
	}
	return nil
}

// orphan returns the topic of a partition's directory that the ledger does not know.
func (b *Broker) orphan(directory, name string) ledger.Topic {
	f := commitlog.Finding{Kind: commitlog.Rebuilt, File: filepath.Join(b.set.Directory, ledgerDirectory), Done: "topic " + name + " is restored from its partition"}
	var l label
	raw, err := commitlog.ReadLabel(b.set.FS, directory, &l)
	if err != nil || !raw || l.Topic.Name != name {
		l.Topic = ledger.Topic{Name: name, ID: newID(), Configs: map[string]string{configRetention: "-1"}}
		f.Kind = commitlog.Defaulted
		f.Done = "the configuration of topic " + name + " is lost; it keeps its records for ever until retention.ms is set"
	}
	b.found(f)
	return l.Topic
}

// splitName parses the name of a partition's directory.
func splitName(directory string) (topic string, index int32, ok bool) {
	i := strings.LastIndexByte(directory, '-')
	if i < 0 {
		return "", 0, false
	}
	topic, err := url.PathUnescape(directory[:i])
	n, numErr := strconv.ParseInt(directory[i+1:], 10, 32)
	return topic, int32(n), err == nil && numErr == nil && n >= 0 && n < maxPartitions && validTopic(topic)
}

func newID() (id [16]byte) {
	_, _ = rand.Read(id[:]) // rand.Read never fails.
	return id
}

// removeDirectory removes a partition's directory.
func (b *Broker) removeDirectory(directory string) error {
	entries, err := b.set.FS.ReadDirectory(directory)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := b.set.FS.Remove(filepath.Join(directory, e.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := b.set.FS.Remove(directory); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (b *Broker) topic(name string) *topic {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.topics[name]
}

// partition returns an open partition, or nil.
func (b *Broker) partition(topic string, index int32) *partition {
	t := b.topic(topic)
	if t == nil || index < 0 || int(index) >= len(t.partitions) {
		return nil
	}
	return t.partitions[index]
}

// Queued returns how many batches of a partition wait to be written.
func (b *Broker) Queued(topic string, index int32) int {
	p := b.partition(topic, index)
	if p == nil {
		return 0
	}
	return p.log.Queued()
}

// allTopics lists all topics by name.
func (b *Broker) allTopics() []*topic {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := make([]*topic, 0, len(b.topics))
	for _, name := range slices.Sorted(maps.Keys(b.topics)) {
		out = append(out, b.topics[name])
	}
	return out
}

// change replaces the ledger's entry of a topic.
func (b *Broker) change(t *topic, configs map[string]string) error {
	next := t.Topic
	next.Configs = configs
	if err := b.ledger.Write(ledger.Change{Topic: &next}); err != nil {
		return err
	}
	b.mu.Lock()
	replaced := &topic{Topic: next, partitions: t.partitions}
	b.topics[t.Name], b.byID[t.ID] = replaced, replaced
	b.mu.Unlock()
	for i, p := range t.partitions {
		if err := p.log.SetLabel(label{next, int32(i)}); err != nil {
			return err
		}
	}
	return nil
}

// create creates a topic.
func (b *Broker) create(name string, partitions int32, configs map[string]string) (ledger.Topic, error) {
	t := ledger.Topic{Name: name, ID: newID(), Partitions: partitions, Configs: configs}
	if err := b.ledger.Write(ledger.Change{Topic: &t}); err != nil {
		return t, err
	}
	return t, b.openTopic(t)
}

// remove deletes a topic.
func (b *Broker) remove(t *topic) error {
	if err := b.ledger.Write(ledger.Change{NoTopic: t.Name}); err != nil {
		return err
	}
	b.mu.Lock()
	delete(b.topics, t.Name)
	delete(b.byID, t.ID)
	b.mu.Unlock()
	b.partitions.Add(-int64(t.Partitions))
	var err error
	for i, p := range t.partitions {
		close(p.gone)
		p.log.Abandon()
		from := b.partitionDirectory(t.Name, int32(i))
		to := from + "-" + fmt.Sprintf("%x", t.ID[:4]) + deletedSuffix
		if e := b.set.FS.Rename(from, to); e != nil {
			err = errors.Join(err, e)
			continue
		}
		err = errors.Join(err, b.removeDirectory(to))
	}
	return errors.Join(err, b.set.FS.SyncDirectory(filepath.Join(b.set.Directory, partitionsName)))
}
