package journal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/tenant"
)

// Headers of a record.
const (
	HeaderContentType = "content-type"
	HeaderTenant      = "penstock-tenant"
	HeaderSchema      = "penstock-schema"
	HeaderReceived    = "penstock-received" // nanoseconds since 1970, decimal
	HeaderItems       = "penstock-items"    // data points, log records or spans in the value, decimal
	// HeaderMetadata is the prefix of headers with client metadata; a key with several values has several headers.
	HeaderMetadata = "penstock-metadata-"

	HeaderReason    = "penstock-reason"    // of a dead letter
	HeaderStage     = "penstock-stage"     // of a dead letter: the component that refused it
	HeaderTopic     = "penstock-topic"     // of a dead letter: its target topic, or the topic that it is from
	HeaderPartition = "penstock-partition" // of a dead letter from the journal
	HeaderOffset    = "penstock-offset"    // of a dead letter from the journal
)

const (
	// ContentType of the journal's own records.
	ContentType = "application/x-protobuf"
	// Schema is the version of the headers and of the value's meaning. A reader refuses a higher one.
	Schema = 1
)

// ErrSchema says that a record was written by a later version of Penstock, in a form unknown here.
var ErrSchema = errors.New("unknown journal schema")

// Record is one record of the journal.
type Record struct {
	Tenant string
	// BadTenant says that the header has an invalid tenant name; then Tenant is tenant.Default. Other writers and earlier releases wrote such
	// records.
	BadTenant bool
	Key       string
	// Service is service.name of the resource that Batch.Records has put into the record; empty for records that were read.
	Service string
	// Partition is the record's partition, or -1: the one that Kafka's default hash of the key selects.
	Partition int32
	// Value is one OTLP export request in protobuf.
	Value []byte
	// Metadata is client metadata, by lower-case key.
	Metadata map[string][]string
	// Received is when the request arrived.
	Received time.Time
	// Items is the number of data points, log records or spans in the value, as counted by the record's writer; -1: unknown.
	Items int64
}

// Kafka returns r for topic. The value is shared, not copied.
func (r *Record) Kafka(topic string) *kgo.Record {
	headers := make([]kgo.RecordHeader, 0, 5+len(r.Metadata))
	headers = append(headers,
		kgo.RecordHeader{Key: HeaderContentType, Value: []byte(ContentType)},
		kgo.RecordHeader{Key: HeaderTenant, Value: []byte(r.Tenant)},
		kgo.RecordHeader{Key: HeaderSchema, Value: strconv.AppendInt(nil, Schema, 10)},
		kgo.RecordHeader{Key: HeaderReceived, Value: strconv.AppendInt(nil, r.Received.UnixNano(), 10)})
	if r.Items > 0 {
		headers = append(headers, kgo.RecordHeader{Key: HeaderItems, Value: strconv.AppendInt(nil, r.Items, 10)})
	}
	for key, values := range r.Metadata {
		for _, v := range values {
			headers = append(headers, kgo.RecordHeader{Key: HeaderMetadata + key, Value: []byte(v)})
		}
	}
	return &kgo.Record{Topic: topic, Partition: r.Partition, Key: []byte(r.Key), Value: r.Value, Headers: headers}
}

// FromKafka parses the headers. Records of other writers have none of ours: they belong to the default tenant, and were received at Kafka's time.
// Content types other than protobuf and later schemas are errors.
func FromKafka(k *kgo.Record) (Record, error) {
	r := Record{Tenant: tenant.Default, Key: string(k.Key), Partition: k.Partition, Value: k.Value, Received: k.Timestamp, Items: -1}
	for _, h := range k.Headers {
		switch h.Key {
		case HeaderContentType:
			kind, _, err := mime.ParseMediaType(string(h.Value))
			if err != nil || (kind != ContentType && kind != "application/protobuf") {
				return r, fmt.Errorf("content type %q is not %s", h.Value, ContentType)
			}
		case HeaderTenant:
			r.Tenant = string(h.Value)
			if r.BadTenant = tenant.Check(r.Tenant) != nil; r.BadTenant {
				r.Tenant = tenant.Default
			}
		case HeaderSchema:
			if v, err := strconv.Atoi(string(h.Value)); err != nil || v > Schema {
				return r, fmt.Errorf("%w %q, this version reads up to %d", ErrSchema, h.Value, Schema)
			}
		case HeaderReceived:
			if ns, err := strconv.ParseInt(string(h.Value), 10, 64); err == nil {
				r.Received = time.Unix(0, ns)
			}
		case HeaderItems:
			if n, err := strconv.ParseInt(string(h.Value), 10, 64); err == nil && n >= 0 {
				r.Items = n
			}
		default:
			if key, ok := strings.CutPrefix(h.Key, HeaderMetadata); ok {
				if r.Metadata == nil {
					r.Metadata = map[string][]string{}
				}
				r.Metadata[key] = append(r.Metadata[key], string(h.Value))
			}
		}
	}
	return r, nil
}

// ID identifies a record independently of its request: a hash of tenant and value. Two equal IDs mean the same bytes of the same tenant, with an
// error probability of 2^-64 among billions.
type ID [16]byte

// ID returns the ID of r.
func (r *Record) ID() ID {
	h := sha256.New()
	h.Write([]byte(r.Tenant))
	h.Write([]byte{0})
	h.Write(r.Value)
	return ID(h.Sum(nil)[:16])
}

// Compare orders IDs by their bytes.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// DeadLetter returns the record that stores k with the reason why it could not be delivered or written.
func DeadLetter(prefix, stage, reason string, k *kgo.Record, fromJournal bool) *kgo.Record {
	headers := append(k.Headers[:len(k.Headers):len(k.Headers)],
		kgo.RecordHeader{Key: HeaderReason, Value: []byte(reason)},
		kgo.RecordHeader{Key: HeaderStage, Value: []byte(stage)},
		kgo.RecordHeader{Key: HeaderTopic, Value: []byte(k.Topic)})
	if fromJournal {
		headers = append(headers,
			kgo.RecordHeader{Key: HeaderPartition, Value: strconv.AppendInt(nil, int64(k.Partition), 10)},
			kgo.RecordHeader{Key: HeaderOffset, Value: strconv.AppendInt(nil, k.Offset, 10)})
	}
	return &kgo.Record{Topic: DeadLetterTopic(prefix), Partition: -1, Key: k.Key, Value: k.Value, Headers: headers}
}
