package pipeline

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/client"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/ledger"
	"github.com/penstockhq/penstock/internal/origin"
)

const tenantKey = "x-scope-orgid"

// Item is the payload of a record on its way to the pipeline.
type Item struct {
	Record  journal.Record
	Kafka   *kgo.Record
	Request any
	// Content is the part of the record that the ledger needs.
	Content ledger.Content
	Err     error // it can't be decoded
	// Deduplicated: the record is skipped if it repeats another one.
	Deduplicated bool
}

// Batch is a sequence of requests of one sender.
type Batch struct {
	of           *journal.Record
	requests     []any
	deduplicated []bool // of each request
	contents     []ledger.Content
	at           *delivery.At // nil: several records
}

// Alone returns the request as a separate batch, for components that require one batch per record. whole: no items of the record were left
// out.
func (it *Item) Alone(whole bool) *Batch {
	one := it.Into(nil, true)[0]
	one.at = &delivery.At{Offset: it.Kafka.Offset, Time: it.Kafka.Timestamp, Whole: whole}
	return one
}

// At is the record from which the batch was made; nil if there may be several.
func (b *Batch) At() *delivery.At { return b.at }

// Into adds the request to the batch of its sender. A state must see the records in the order of the log, whatever their ranges: then only
// the last batch accepts another request.
func (it *Item) Into(all []*Batch, inOrder bool) []*Batch {
	for i := len(all) - 1; i >= 0; i-- {
		of := all[i].of
		if of.Tenant == it.Record.Tenant && maps.EqualFunc(of.Metadata, it.Record.Metadata, slices.Equal) {
			all[i].requests, all[i].deduplicated = append(all[i].requests, it.Request), append(all[i].deduplicated, it.Deduplicated)
			all[i].contents = append(all[i].contents, it.Content)
			return all
		}
		if inOrder {
			break
		}
	}
	return append(all, &Batch{of: &it.Record, requests: []any{it.Request}, deduplicated: []bool{it.Deduplicated}, contents: []ledger.Content{it.Content}})
}

// Contents returns the contents of the batch's records, in order.
func (b *Batch) Contents() []ledger.Content { return b.contents }

// Send passes the batch on. The batch must not be used afterwards.
func (b *Batch) Send(ctx context.Context, to Entry) error {
	return to.Consume(origin.WithRequests(asSender(ctx, b.of), b.deduplicated), b.requests)
}

// asSender returns a context with the metadata of r's sender.
func asSender(ctx context.Context, r *journal.Record) context.Context {
	meta := maps.Clone(r.Metadata)
	if meta == nil {
		meta = map[string][]string{}
	}
	meta[tenantKey] = []string{r.Tenant}
	return client.NewContext(ctx, client.Info{Metadata: client.NewMetadata(meta)})
}
