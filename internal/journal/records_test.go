package journal_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/wire"
	"github.com/penstockhq/penstock/internal/tenant"
)

var layout = journal.Layout{Partitions: 4, Shards: 1, Keys: journal.KeysVersion}

func resource(kv ...string) pcommon.Map {
	m := pcommon.NewMap()
	for i := 0; i < len(kv); i += 2 {
		m.PutStr(kv[i], kv[i+1])
	}
	return m
}

func TestSourceOf(t *testing.T) {
	for name, c := range map[string]struct {
		signal journal.Signal
		tenant string
		attrs  pcommon.Map
		want   journal.Source
	}{
		"metrics":                   {journal.Metrics, "", resource("service.name", "shop", "host.name", "h"), journal.Source{Tenant: "default", Name: "\x00shop", Service: "shop"}},
		"namespace":                 {journal.Metrics, "", resource("service.name", "shop", "service.namespace", "eu"), journal.Source{Tenant: "default", Name: "eu\x00shop", Service: "shop"}},
		"logs by host":              {journal.Logs, "", resource("service.name", "shop", "host.name", "h"), journal.Source{Tenant: "default", Name: "\x00shop\x00h", Service: "shop"}},
		"traces by trace":           {journal.Traces, "", resource("service.name", "shop"), journal.Source{Tenant: "default", Name: "", Service: "shop"}},
		"tenant of the client":      {journal.Traces, "a", resource("tenant.id", "b"), journal.Source{Tenant: "a", Name: ""}},
		"tenant of the resource":    {journal.Traces, "", resource("tenant.id", "b"), journal.Source{Tenant: "b", Name: ""}},
		"an empty tenant is none":   {journal.Traces, "", resource("tenant.id", ""), journal.Source{Tenant: "default", Name: ""}},
		"nothing known, all in one": {journal.Metrics, "", resource(), journal.Source{Tenant: "default", Name: "\x00"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := journal.SourceOf(c.signal, c.tenant, c.attrs)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

// Usage is counted by service, whether the key contains it or not.
func TestRecordsNameTheirService(t *testing.T) {
	for _, signal := range []journal.Signal{journal.Metrics, journal.Logs, journal.Traces} {
		b := batch(t, "a")
		var err error
		b.Sources[0], err = journal.SourceOf(signal, "", resource("service.name", "shop", "service.namespace", "eu", "host.name", "h"))
		require.NoError(t, err)
		records, _, err := b.Records(journal.Layout{Partitions: 4, Shards: 1}, 1<<20)
		require.NoError(t, err)
		require.Len(t, records, 1)
		assert.Equal(t, "shop", records[0].Service, signal)
	}
}

// A resource that names no possible tenant is left out of the records; the others of its request are not.
func TestRefusedSourcesAreNotWritten(t *testing.T) {
	b := batch(t, "a", "b", "c")
	source, err := journal.SourceOf(journal.Metrics, "", resource("tenant.id", "b/../c"))
	require.ErrorIs(t, err, tenant.ErrName)
	assert.True(t, source.Refused)
	b.Sources[1] = source
	records, large, err := b.Records(journal.Layout{Partitions: 4, Shards: 1}, 1<<20)
	require.NoError(t, err)
	assert.Empty(t, large)
	assert.Equal(t, map[string][]int64{"a": {0}, "c": {2}}, values(t, records))
}

// Records of other writers, or of an earlier release, may have a tenant name that is no longer accepted.
func TestRecordsOfImpossibleTenantsAreTheDefaults(t *testing.T) {
	for name, bad := range map[string]bool{"a": false, "default": false, "a/b": true, "..": true, "": true, "a\nb": true, strings.Repeat("x", 151): true} {
		r, err := journal.FromKafka((&journal.Record{Tenant: name}).Kafka("t"))
		require.NoError(t, err)
		assert.Equal(t, bad, r.BadTenant, name)
		if bad {
			name = "default"
		}
		assert.Equal(t, name, r.Tenant)
	}
}

// batch returns a request with one gauge point for each service named.
func batch(t *testing.T, services ...string) *journal.Batch {
	t.Helper()
	b := &journal.Batch{Signal: journal.Metrics, Received: time.Unix(1, 0)}
	md := pmetric.NewMetrics()
	for i, s := range services {
		rm := md.ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", s)
		m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("m")
		p := m.SetEmptyGauge().DataPoints().AppendEmpty()
		p.SetIntValue(int64(i))
		p.Attributes().PutInt("series", int64(i))
		source, err := journal.SourceOf(journal.Metrics, "", rm.Resource().Attributes())
		require.NoError(t, err)
		b.Sources = append(b.Sources, source)
	}
	var err error
	b.Request, err = (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	require.NoError(t, err)
	return b
}

// values returns the gauge values in records, by service.
func values(t *testing.T, records []journal.Record) map[string][]int64 {
	t.Helper()
	out := map[string][]int64{}
	for _, r := range records {
		md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(r.Value)
		require.NoError(t, err)
		for _, rm := range md.ResourceMetrics().All() {
			name, _ := rm.Resource().Attributes().Get("service.name")
			for _, p := range rm.ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().All() {
				out[name.Str()] = append(out[name.Str()], p.IntValue())
			}
		}
	}
	return out
}

func TestOneResourceIsOneRecordUntouched(t *testing.T) {
	b := batch(t, "a")
	records, tooLarge, err := b.Records(layout, 1<<20)
	require.NoError(t, err)
	require.Len(t, records, 1)
	assert.Empty(t, tooLarge)
	assert.Equal(t, b.Request, records[0].Value)
	assert.Equal(t, "default\x00\x00a", records[0].Key)
	assert.EqualValues(t, -1, records[0].Partition)
}

func TestResourcesAreTakenApart(t *testing.T) {
	b := batch(t, "a", "b", "a", "c")
	request := append([]byte{}, b.Request...)
	records, _, err := b.Records(layout, 1<<20)
	require.NoError(t, err)
	assert.Len(t, records, 4)
	assert.Equal(t, map[string][]int64{"a": {0, 2}, "b": {1}, "c": {3}}, values(t, records))
	assert.Equal(t, request, b.Request, "the request is not written to")
}

// After a crash, a queue on disk sends its in-flight requests again: the same requests, merged into other batches.
func TestWhatComesAgainInOtherCompanyIsTheSameRecords(t *testing.T) {
	first, again := batch(t, "a", "a", "b", "a", "a"), batch(t, "a", "a", "b", "a", "a")
	var resources [][]byte
	require.NoError(t, wire.Fields(again.Request, func(f wire.Field) bool { resources = append(resources, f.Raw); return true }))
	again.Request, again.Sources = bytes.Join(resources[1:], nil), again.Sources[1:]
	ids := func(b *journal.Batch) (all []journal.ID) {
		records, _, err := b.Records(layout, 1<<20)
		require.NoError(t, err)
		for _, r := range records {
			all = append(all, r.ID())
		}
		return all
	}
	assert.Equal(t, ids(first)[1:], ids(again))
}

// Log records that come alone can be equal and not the same; a record of their own would be taken for a repetition.
func TestEqualLogRecordsOfOneRequestAreNoRepetition(t *testing.T) {
	ld := plog.NewLogs()
	b := &journal.Batch{Signal: journal.Logs}
	add := func(lines ...string) {
		rl := ld.ResourceLogs().AppendEmpty()
		for _, line := range lines {
			rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(line)
		}
		b.Sources = append(b.Sources, journal.Source{Tenant: "t"})
	}
	for _, lines := range [][]string{{"x"}, {"y"}, {"x"}, {"x", "y"}, {"x", "y"}} {
		add(lines...)
	}
	var err error
	b.Request, err = (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	require.NoError(t, err)
	records, _, err := b.Records(layout, 1<<20)
	require.NoError(t, err)
	require.Len(t, records, 4)
	var items []int64
	ids := map[journal.ID]bool{}
	for _, r := range records {
		items, ids[r.ID()] = append(items, r.Items), true
	}
	assert.Equal(t, []int64{2, 1, 2, 2}, items)
	assert.Len(t, ids, 3, "a resource with several records is equal only where it is sent again")
}

func TestShardsKeepASeriesTogether(t *testing.T) {
	sharded := layout
	sharded.Shards = 4
	shardOf := map[int64]string{}
	for range 3 { // the same series in several batches
		b := batch(t, "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a")
		records, _, err := b.Records(sharded, 1<<20)
		require.NoError(t, err)
		assert.Greater(t, len(records), 1)
		for _, r := range records {
			for _, v := range values(t, []journal.Record{r})["a"] {
				if before, ok := shardOf[v]; ok {
					assert.Equal(t, before, r.Key)
				}
				shardOf[v] = r.Key
			}
		}
	}
	assert.Len(t, shardOf, 12)
}

func TestASeriesKeepsItsShardWhateverTheOrderOfAttributes(t *testing.T) {
	sharded := layout
	sharded.Shards = 1 << 20
	key := func(names ...string) string {
		md := pmetric.NewMetrics()
		m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("m")
		p := m.SetEmptyHistogram().DataPoints().AppendEmpty()
		p.SetCount(rand.Uint64())
		for _, n := range names {
			p.Attributes().PutStr(n, "of "+n)
		}
		request, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
		require.NoError(t, err)
		b := &journal.Batch{Signal: journal.Metrics, Request: request, Sources: []journal.Source{{Tenant: "t"}}}
		records, _, err := b.Records(sharded, 1<<20)
		require.NoError(t, err)
		return records[0].Key
	}
	assert.Equal(t, key("a", "b", "c"), key("c", "a", "b"))
	assert.NotEqual(t, key("a", "b", "c"), key("a", "b"))
}

func TestATraceGoesToOnePartition(t *testing.T) {
	td := ptrace.NewTraces()
	for range 3 {
		spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
		for i := range 40 {
			spans.AppendEmpty().SetTraceID(pcommon.TraceID{byte(i)})
		}
	}
	request, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	require.NoError(t, err)
	b := &journal.Batch{Signal: journal.Traces, Request: request, Sources: []journal.Source{{Tenant: "a"}, {Tenant: "a"}, {Tenant: "b"}}}
	records, _, err := b.Records(layout, 1<<20)
	require.NoError(t, err)
	assert.Len(t, records, 12, "three resources, four partitions")
	partition := map[string]int32{}
	spans := 0
	for _, r := range records {
		got, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(r.Value)
		require.NoError(t, err)
		for _, rs := range got.ResourceSpans().All() {
			for _, span := range rs.ScopeSpans().At(0).Spans().All() {
				spans++
				id := span.TraceID().String()
				if p, ok := partition[id]; ok {
					assert.Equal(t, p, r.Partition)
				}
				partition[id] = r.Partition
			}
		}
	}
	assert.Equal(t, 120, spans)
}

func TestLargeRequestsBecomeSeveralRecords(t *testing.T) {
	b := batch(t, "a", "a", "a", "a", "a", "a", "a", "a")
	records, tooLarge, err := b.Records(layout, len(b.Request)/3)
	require.NoError(t, err)
	assert.Empty(t, tooLarge)
	assert.Greater(t, len(records), 2)
	assert.Equal(t, map[string][]int64{"a": {0, 1, 2, 3, 4, 5, 6, 7}}, values(t, records))

	_, tooLarge, err = b.Records(layout, 10)
	require.NoError(t, err)
	assert.Len(t, tooLarge, 8)
}

func TestHeadersSurvive(t *testing.T) {
	r := journal.Record{Tenant: "t", Key: "k", Partition: 2, Value: []byte("v"), Received: time.Unix(3, 4),
		Metadata: map[string][]string{"authorization-group": {"x", "y"}}, Items: -1}
	got, err := journal.FromKafka(r.Kafka("topic"))
	require.NoError(t, err)
	assert.Equal(t, r, got)
}

func TestRecordsOfOthers(t *testing.T) {
	at := time.Unix(5, 0)
	got, err := journal.FromKafka(&kgo.Record{Key: []byte("k"), Value: []byte("v"), Timestamp: at})
	require.NoError(t, err)
	assert.Equal(t, journal.Record{Tenant: "default", Key: "k", Value: []byte("v"), Received: at, Items: -1}, got)

	_, err = journal.FromKafka(&kgo.Record{Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte("application/json")}}})
	require.ErrorContains(t, err, "application/json")
	_, err = journal.FromKafka(&kgo.Record{Headers: []kgo.RecordHeader{{Key: "penstock-schema", Value: []byte("2")}}})
	require.ErrorIs(t, err, journal.ErrSchema)
}

func TestIDsTellTenantsAndValuesApart(t *testing.T) {
	ids := map[journal.ID]bool{}
	for _, r := range []journal.Record{{Tenant: "a", Value: []byte("bc")}, {Tenant: "ab", Value: []byte("c")}, {Tenant: "a", Value: []byte("bd")}} {
		ids[r.ID()] = true
	}
	assert.Len(t, ids, 3)
}

func TestDeadLetterKeepsTheRecordAndSaysWhere(t *testing.T) {
	k := &kgo.Record{Topic: "p.logs", Partition: 3, Offset: 17, Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "x", Value: []byte("y")}}}
	d := journal.DeadLetter("p", "decode", "not protobuf", k, true)
	assert.Equal(t, "p.deadletter", d.Topic)
	assert.Equal(t, k.Value, d.Value)
	headers := map[string]string{}
	for _, h := range d.Headers {
		headers[h.Key] = string(h.Value)
	}
	assert.Equal(t, map[string]string{"x": "y", "penstock-reason": "not protobuf", "penstock-stage": "decode", "penstock-topic": "p.logs",
		"penstock-partition": "3", "penstock-offset": "17"}, headers)
	assert.Len(t, k.Headers, 1)
}

func TestAnotherLayoutIsRefusedWithTheWayToMigrate(t *testing.T) {
	require.NoError(t, layout.Check("t", layout))
	more := layout
	more.Partitions = 8
	err := layout.Check("t", more)
	require.ErrorContains(t, err, "partitions: topic t was created with 4, not 8")
	require.ErrorContains(t, err, "topic_prefix")
}

func BenchmarkRecords(b *testing.B) {
	for _, services := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("resources=%d", services), func(b *testing.B) {
			md := pmetric.NewMetrics()
			in := &journal.Batch{Signal: journal.Metrics}
			for s := range services {
				rm := md.ResourceMetrics().AppendEmpty()
				rm.Resource().Attributes().PutStr("service.name", fmt.Sprint(s))
				m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
				m.SetName("http_requests_total")
				sum := m.SetEmptySum()
				for i := range 1000 / services {
					p := sum.DataPoints().AppendEmpty()
					p.SetIntValue(int64(i))
					for a := range 8 {
						p.Attributes().PutStr(fmt.Sprint("attribute", a), fmt.Sprint("value", i+a))
					}
				}
				source, err := journal.SourceOf(journal.Metrics, "", rm.Resource().Attributes())
				require.NoError(b, err)
				in.Sources = append(in.Sources, source)
			}
			in.Request, _ = (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
			b.SetBytes(int64(len(in.Request)))
			b.ReportAllocs()
			defer cputime.Each(b)()
			for b.Loop() {
				if _, _, err := in.Records(layout, 900<<10); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
