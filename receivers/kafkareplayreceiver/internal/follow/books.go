package follow

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/internal/ledger"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pipeline"
)

// ledgerKeeper is implemented by the ledger extension. Without it no books are kept.
type ledgerKeeper interface {
	Follow(ledger.Source) (remove func())
}

// source is the ledger's view of a follower.
type source struct{ f *follower }

var _ ledger.Source = source{}

// openBooks registers the follower with the ledger, if there is one. It must be called before the first assignment.
func (f *follower) openBooks(host component.Host) {
	for _, e := range host.GetExtensions() {
		if keeper, ok := e.(ledgerKeeper); ok {
			f.books = keeper.Follow(source{f})
			return
		}
	}
}

// closeBooks removes the follower from the ledger. It may be repeated.
func (f *follower) closeBooks() {
	if f.books != nil {
		f.books()
	}
}

// keepsBook returns the callback for the book of a's worker; nil: no book is kept.
func (f *follower) keepsBook(a *assignment) func([]byte) {
	if f.books == nil {
		return nil
	}
	return func(book []byte) { a.book.Store(&book) }
}

func (s source) Sink() string    { return s.f.cfg.Group }
func (s source) Signal() string  { return string(s.f.entry.Signal()) }
func (s source) Journal() string { return s.f.topic }

// Own implements ledger.Source.
func (s source) Own() map[int32]*ledger.Book {
	s.f.mu.Lock()
	encoded := map[int32][]byte{}
	for p, a := range s.f.assigned {
		if b := a.book.Load(); b != nil {
			encoded[p] = *b
		}
	}
	s.f.mu.Unlock()
	books := map[int32]*ledger.Book{}
	for p, b := range encoded {
		if book, err := ledger.Read(b); err == nil { // this process wrote it
			books[p] = book
		}
	}
	return books
}

// All implements ledger.Source. It reads the books of partitions that other processes deliver from the state topic.
func (s source) All(ctx context.Context) ([]ledger.Partition, error) {
	f := s.f
	admin := kadm.NewClient(f.admin)
	starts, err := admin.ListStartOffsets(ctx, f.topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("start of %s: %w", f.topic, err)
	}
	ends, err := admin.ListCommittedOffsets(ctx, f.topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("end of %s: %w", f.topic, err)
	}
	own := s.Own()
	var all []ledger.Partition
	for _, start := range starts.Offsets().Sorted() {
		p := ledger.Partition{Index: start.Partition, Start: start.At, Book: own[start.Partition]}
		if end, ok := ends.Lookup(f.topic, start.Partition); ok {
			p.End = end.Offset
		}
		if p.Book == nil {
			p.Book, err = s.others(ctx, start.Partition)
			if err != nil {
				p.Missing = err.Error()
			}
		}
		all = append(all, p)
	}
	return all, nil
}

var errNoBook = errors.New("no checkpoint with a ledger yet")

// others reads the book of a partition that another process, or none, delivers.
func (s source) others(ctx context.Context, partition int32) (*ledger.Book, error) {
	topic := s.f.entry.Signal().StateTopic(s.f.cluster.TopicPrefix, s.f.cfg.Group)
	book, err := delivery.ReadBook(func(each func(delivery.StateRecord) error) error {
		var failed error
		err := cluster.ReadAll(ctx, s.f.admin, topic, partition, func(r *kgo.Record) {
			if failed == nil {
				failed = each(delivery.StateRecord{Offset: r.Offset, Key: r.Key, Value: r.Value})
			}
		})
		return errors.Join(err, failed)
	})
	if err == nil && book == nil {
		err = errNoBook
	}
	return book, err
}

// Scan implements ledger.Source.
func (s source) Scan(ctx context.Context, partition int32, first, next, maxBytes int64, each func(int64, ledger.Content)) (upTo int64, err error) {
	upTo = first
	bytes := int64(0)
	err = cluster.Scan(ctx, s.f.admin, s.f.topic, partition, first, next, func(k *kgo.Record) bool {
		each(k.Offset, s.f.contentOf(k))
		upTo = k.Offset + 1
		bytes += int64(len(k.Value))
		return bytes < maxBytes
	})
	if err == nil && bytes < maxBytes {
		upTo = next
	}
	return upTo, err
}

// contentOf decodes a journal record and counts its items.
func (f *follower) contentOf(k *kgo.Record) ledger.Content {
	record, err := journal.FromKafka(k)
	c := content(k, &record)
	if err != nil {
		return c
	}
	if payload, _, err := f.entry.Decode(k.Value); err == nil {
		found(&c, &record, payload)
	}
	return c
}

// content returns the counts in a record's headers.
func content(k *kgo.Record, r *journal.Record) ledger.Content {
	return ledger.Content{Tenant: r.Tenant, Hour: ledger.HourOf(k.Timestamp), Items: max(0, r.Items)}
}

// found adds the items found in a record. If no header had their number (another writer, an earlier release), it is set.
func found(c *ledger.Content, r *journal.Record, payload any) {
	c.Events = pipeline.Hours(payload)
	if r.Items >= 0 {
		return
	}
	for _, e := range c.Events {
		c.Items += e.Items
	}
}
