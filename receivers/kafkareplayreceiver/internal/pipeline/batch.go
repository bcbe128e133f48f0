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
	// Content is what the ledger has to know of the record.
	Content ledger.Content
	Err     error // it can't be decoded
	// Deduplicated: it is left out if it repeats another record.
	Deduplicated bool
}

// Batch is requests of one sender, in order.
type Batch struct {
	of           *journal.Record
	requests     []any
	deduplicated []bool // of each request
	contents     []ledger.Content
	at           *delivery.At // nil: several records
}

// Alone returns the request as a batch of its own, for components that ask for that. whole: none of the record's items was left out.
func (it *Item) Alone(whole bool) *Batch {
	one := it.Into(nil, true)[0]
	one.at = &delivery.At{Offset: it.Kafka.Offset, Time: it.Kafka.Timestamp, Whole: whole}
	return one
}

// At is the record that the batch is made of; nil where it may be several.
func (b *Batch) At() *delivery.At { return b.at }

// Into adds the request to the batch of its sender. A state sees the records in the order of the log, whatever ranges they
// come in: there only the last batch takes another request.
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

// Contents are what the records of the batch hold, in order.
func (b *Batch) Contents() []ledger.Content { return b.contents }

// Send passes the batch on. It is used up.
func (b *Batch) Send(ctx context.Context, to Head) error {
	return to.Consume(origin.WithRequests(asSender(ctx, b.of), b.deduplicated), b.requests)
}

// asSender returns a context that carries what is known of who sent r.
func asSender(ctx context.Context, r *journal.Record) context.Context {
	meta := maps.Clone(r.Metadata)
	if meta == nil {
		meta = map[string][]string{}
	}
	meta[tenantKey] = []string{r.Tenant}
	return client.NewContext(ctx, client.Info{Metadata: client.NewMetadata(meta)})
}
