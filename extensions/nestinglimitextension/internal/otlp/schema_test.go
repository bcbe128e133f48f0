package otlp

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The schema agrees with the descriptors of opentelemetry-proto, for every field of every message.
func TestSchemaIsThatOfTheProtoFiles(t *testing.T) {
	seen := map[*message]bool{}
	var compare func(m *message, d protoreflect.MessageDescriptor)
	compare = func(m *message, d protoreflect.MessageDescriptor) {
		if seen[m] {
			return
		}
		seen[m] = true
		fields := 0
		for i := range d.Fields().Len() {
			want := d.Fields().Get(i)
			name := want.FullName()
			got := m.byName[want.JSONName()]
			if got == nil {
				assert.Contains(t, string(name), "strindex", "%s: those are of profiles only", name)
				continue
			}
			fields++
			assert.Same(t, got, m.byName[string(want.Name())], name)
			assert.Same(t, got, m.byNumber[uint64(want.Number())], name)
			assert.Equal(t, want.Cardinality() == protoreflect.Repeated, got.repeated, name)
			assert.Equal(t, want.Name() == "attributes" || want.Name() == "filtered_attributes" || want.Name() == "metadata" ||
				name == "opentelemetry.proto.common.v1.KeyValueList.values", got.counted, name)
			kinds := map[form]protoreflect.Kind{text: protoreflect.StringKind, octets: protoreflect.BytesKind, traceID: protoreflect.BytesKind, spanID: protoreflect.BytesKind,
				boolean: protoreflect.BoolKind, double: protoreflect.DoubleKind, fixed64: protoreflect.Fixed64Kind, sfixed64: protoreflect.Sfixed64Kind,
				fixed32: protoreflect.Fixed32Kind, uint32s: protoreflect.Uint32Kind, uint64s: protoreflect.Uint64Kind, int64s: protoreflect.Int64Kind,
				sint32: protoreflect.Sint32Kind, enum: protoreflect.EnumKind, embedded: protoreflect.MessageKind}
			require.Equal(t, want.Kind(), kinds[got.form], name)
			switch got.form {
			case enum:
				values := want.Enum().Values()
				assert.Equal(t, values.Len(), len(got.names), name)
				for j := range values.Len() {
					n, ok := got.names[string(values.Get(j).Name())]
					assert.True(t, ok, values.Get(j).Name())
					assert.EqualValues(t, values.Get(j).Number(), n)
				}
			case embedded:
				compare(got.message, want.Message())
			}
		}
		assert.Equal(t, fields, len(m.fields), d.FullName())
	}
	compare(logsRequest, (&logspb.LogsData{}).ProtoReflect().Descriptor())
	compare(tracesRequest, (&tracepb.TracesData{}).ProtoReflect().Descriptor())
	compare(metricsRequest, (&metricspb.MetricsData{}).ProtoReflect().Descriptor())
	assert.Greater(t, len(seen), 30)
}
