package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/internal/journal/wire"
	"github.com/penstockhq/penstock/internal/tenant"
)

// separator is between the parts of a key.
const separator = "\x00"

// Source is the origin of a resource.
type Source struct {
	Tenant string
	// Name is the rest of the key before sharding; empty for traces, whose key is the trace's.
	Name string
	// Service is service.name, for counters.
	Service string
	// Refused says that the resource has an invalid tenant name, and nothing of it is written.
	Refused bool
}

// SourceOf returns the source of a resource with attributes attrs. fromClient is the tenant that client metadata names, or empty. An
// error is the reason why the source is refused.
func SourceOf(signal Signal, fromClient string, attrs pcommon.Map) (Source, error) {
	name, err := tenant.Of(fromClient, attrs)
	if err != nil {
		return Source{Refused: true}, err
	}
	s := Source{Tenant: name, Service: text(attrs, "service.name")}
	switch signal {
	case Metrics:
		s.Name = text(attrs, "service.namespace") + separator + s.Service
	case Logs:
		s.Name = strings.Join([]string{text(attrs, "service.namespace"), s.Service, text(attrs, "host.name")}, separator)
	}
	return s, nil
}

func text(attrs pcommon.Map, key string) string {
	v, ok := attrs.Get(key)
	if !ok {
		return ""
	}
	return v.AsString()
}

// Batch is one request on its way into the journal.
type Batch struct {
	Signal Signal
	// Request is the encoded OTLP export request.
	Request []byte
	// Sources are those of the request's resources, in order.
	Sources  []Source
	Metadata map[string][]string
	Received time.Time
	// Items is the number of data points, log records or spans, without those of refused sources; 0: unknown.
	Items int
}

// Records divides b into records of one resource with at most maxBytes of value, in an order that keeps the order of each key's items. tooLarge are
// records with a single item that is larger.
//
// Resources are not joined, even if they have the same key: a sender that lost its position, such as a queue on disk after a crash, sends the same
// resources again in other batches, and the records must have the same bytes then. See [Batch.parts] for the exception.
func (b *Batch) Records(layout Layout, maxBytes int) (records, tooLarge []Record, err error) {
	parts, err := b.parts()
	if err != nil {
		return nil, nil, err
	}
	for _, g := range parts {
		shards, requests, err := b.shard(g.request, layout)
		if err != nil {
			return nil, nil, err
		}
		for i, request := range requests {
			r := Record{Tenant: g.source.Tenant, Service: g.source.Service, Key: g.source.Tenant + separator + g.source.Name, Partition: -1, Metadata: b.Metadata, Received: b.Received}
			switch {
			case b.Signal == Traces:
				// Hashing so few keys again would leave partitions empty: the bucket is the partition.
				r.Partition = shards[i]
				r.Key += strconv.Itoa(int(shards[i]))
			case b.Signal == Metrics && layout.Shards > 1:
				r.Key += separator + strconv.Itoa(int(shards[i]))
			}
			pieces, large, err := wire.Split(request, paths[b.Signal], maxBytes)
			if err != nil {
				return nil, nil, err
			}
			records, tooLarge = with(records, r, pieces), with(tooLarge, r, large)
		}
	}
	if len(records) == 1 && len(tooLarge) == 0 && b.Items > 0 {
		records[0].Items = int64(b.Items)
		return records, nil, nil
	}
	return records, tooLarge, errors.Join(count(records, paths[b.Signal]), count(tooLarge, paths[b.Signal]))
}

// part is the part of a request that goes into the same records.
type part struct {
	source  Source
	request []byte
}

// parts returns one part for each accepted resource. Exception: log records that are equal byte for byte, each alone in its own resource, stay
// together. Nothing says that the second is a repetition of the first, and as a separate record it would be taken for one. Resources with several
// items, with ids (spans) or with one writer (points) are equal only if they are the same.
func (b *Batch) parts() ([]part, error) {
	parts := make([]part, 0, len(b.Sources))
	alone := map[string]int{} // parts by the bytes of a resource with one log record
	n := 0
	err := wire.Fields(b.Request, func(f wire.Field) bool {
		at := n
		n++
		if f.Number != 1 || at >= len(b.Sources) || b.Sources[at].Refused {
			return true
		}
		if b.Signal == Logs && len(b.Sources) > 1 && f.Bytes != nil {
			if items, err := wire.Count(f.Bytes, paths[Logs][1:]); err == nil && items == 1 {
				if i, ok := alone[string(f.Raw)]; ok && parts[i].source == b.Sources[at] {
					parts[i].request = append(parts[i].request, f.Raw...)
					return true
				}
				alone[string(f.Raw)] = len(parts)
			}
		}
		parts = append(parts, part{b.Sources[at], f.Raw[:len(f.Raw):len(f.Raw)]}) // the capacity makes append copy
		return true
	})
	if err == nil && n != len(b.Sources) {
		err = fmt.Errorf("%d resources for %d sources: %w", n, len(b.Sources), wire.ErrMalformed)
	}
	return parts, err
}

// count sets the items of records.
func count(records []Record, path wire.Path) error {
	for i := range records {
		n, err := wire.Count(records[i].Value, path)
		if err != nil {
			return err
		}
		records[i].Items = int64(n)
	}
	return nil
}

var paths = map[Signal]wire.Path{Metrics: wire.MetricPoints, Logs: wire.LogRecords, Traces: wire.Spans}

func with(records []Record, like Record, values [][]byte) []Record {
	for _, v := range values {
		like.Value = v
		records = append(records, like)
	}
	return records
}

// shard divides a request of one source by the attributes that decide the partition within the source.
func (b *Batch) shard(request []byte, layout Layout) ([]int32, [][]byte, error) {
	switch {
	case b.Signal == Traces:
		return wire.Group(request, wire.Spans, func(span wire.Item) int32 {
			return int32(xxhash.Sum64(traceID(span.Bytes)) % uint64(layout.Partitions))
		})
	case b.Signal == Metrics && layout.Shards > 1:
		return wire.Group(request, wire.MetricPoints, func(point wire.Item) int32 {
			return int32(seriesHash(point) % uint64(layout.Shards))
		})
	}
	return []int32{0}, [][]byte{request}, nil
}

// traceID returns the trace_id of an encoded span.
func traceID(span []byte) (id []byte) {
	_ = wire.Fields(span, func(f wire.Field) bool {
		if f.Number == 1 {
			id = f.Bytes
		}
		return f.Number != 1
	})
	return id
}

// Field numbers in metrics.proto.
const (
	metricName        = 1
	metricExponential = 10
	metricHistogram   = 9
	attributes        = 7 // of number and summary points
	attributesOfHist  = 9
	attributesOfExpo  = 1
	levelOfMetric     = 3 // in Item.Around: request, resource, scope, metric, data
)

// seriesHash hashes the identity of a data point's series within its source: metric name and attributes, in any order.
func seriesHash(point wire.Item) uint64 {
	var sum uint64
	_ = wire.Fields(point.Around[levelOfMetric], func(f wire.Field) bool {
		if f.Number == metricName {
			sum = xxhash.Sum64(f.Bytes)
		}
		return f.Number != metricName
	})
	field := attributes
	switch point.Kind {
	case metricHistogram:
		field = attributesOfHist
	case metricExponential:
		field = attributesOfExpo
	}
	_ = wire.Fields(point.Bytes, func(f wire.Field) bool {
		if f.Number == field {
			sum += xxhash.Sum64(f.Bytes)
		}
		return true
	})
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], sum)
	return xxhash.Sum64(b[:])
}
