package piiscrubberprocessor

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// through sends a body and returns the scrubbed one.
func through(t *testing.T, set func(pcommon.Value)) pcommon.Value {
	t.Helper()
	s, _ := settings(t)
	sink := new(consumertest.LogsSink)
	p, err := NewFactory().CreateLogs(context.Background(), s, createDefaultConfig(), sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))
	ld := plog.NewLogs()
	set(ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body())
	require.NoError(t, p.ConsumeLogs(context.Background(), ld))
	require.NoError(t, p.Shutdown(context.Background()))
	return sink.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body()
}

// A number that stays keeps its type and every digit; a removed one becomes a string.
func TestNumbersKeepTheirType(t *testing.T) {
	for _, n := range []int64{0, -1, 42, 4155552671, 4111111111111112, 1710152553000000000, -9223372036854775808, 9223372036854775807} {
		v := through(t, func(v pcommon.Value) { v.SetEmptyMap().PutInt("app.value", n) })
		got, _ := v.Map().Get("app.value")
		assert.Equal(t, pcommon.ValueTypeInt, got.Type(), n)
		assert.Equal(t, n, got.Int())
	}
	for _, f := range []float64{0.1, 4111111111111112, 1e300, -2.5} {
		v := through(t, func(v pcommon.Value) { v.SetEmptyMap().PutDouble("app.value", f) })
		got, _ := v.Map().Get("app.value")
		assert.Equal(t, pcommon.ValueTypeDouble, got.Type(), f)
		assert.Equal(t, f, got.Double()) //nolint:testifylint // it must be the same
	}
	v := through(t, func(v pcommon.Value) {
		v.SetEmptyMap().PutInt("card_number", 4111111111111111)
		v.Map().PutDouble("pan", 4111111111111111)
		v.Map().PutInt("ssn", 402119876)
		v.Map().PutInt("user.pin", 4711)
	})
	assert.Equal(t, map[string]any{"card_number": "[REDACTED:payment_card]", "pan": "[REDACTED:payment_card]", "ssn": "[REDACTED:us_ssn]", "user.pin": "[REDACTED:sensitive_key]"}, v.Map().AsRaw())
}

// The names of a resource's entities are searched: their types, their schema URLs, and the names of attributes, which stay equal to those
// of the resource's attributes.
func TestEntityReferences(t *testing.T) {
	s, _ := settings(t)
	sink := new(consumertest.LogsSink)
	p, err := NewFactory().CreateLogs(context.Background(), s, createDefaultConfig(), sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))
	ld := plog.NewLogs()
	resource := ld.ResourceLogs().AppendEmpty().Resource()
	resource.Attributes().PutStr("seen.jane@example.com", "x")
	resource.Attributes().PutStr("host.id", "7")
	ref := entity.ResourceEntityRefs(resource).AppendEmpty()
	ref.SetType("host of jane@example.com")
	ref.SetSchemaUrl("https://user:pa55word@schemas.example.com/1.0")
	ref.IdKeys().FromRaw([]string{"host.id", "seen.jane@example.com"})
	ref.DescriptionKeys().FromRaw([]string{"seen.jane@example.com"})
	require.NoError(t, p.ConsumeLogs(context.Background(), ld))
	require.NoError(t, p.Shutdown(context.Background()))
	got := sink.AllLogs()[0].ResourceLogs().At(0).Resource()
	ref = entity.ResourceEntityRefs(got).At(0)
	assert.Equal(t, "host of [REDACTED:email]", ref.Type())
	assert.Equal(t, "https://[REDACTED:url_credentials]@schemas.example.com/1.0", ref.SchemaUrl())
	assert.Equal(t, "host.id", ref.IdKeys().At(0))
	assert.Contains(t, got.Attributes().AsRaw(), ref.IdKeys().At(1))
	assert.Contains(t, got.Attributes().AsRaw(), ref.DescriptionKeys().At(0))
	assert.NotContains(t, ref.IdKeys().At(1), "jane")
}

// Bytes, lists, maps and JSON inside JSON are searched like text, and keep their type.
func TestEveryTypeIsSearched(t *testing.T) {
	const mail, left = `{"user":"jane@example.com","n":1}`, `{"user":"[REDACTED:email]","n":1}`
	assert.Equal(t, left, through(t, func(v pcommon.Value) { v.SetStr(mail) }).Str())
	assert.Equal(t, left, string(through(t, func(v pcommon.Value) { v.SetEmptyBytes().FromRaw([]byte(mail)) }).Bytes().AsRaw()))
	assert.Equal(t, `{"body":"{\"password\":\"[REDACTED:password]\",\"x\":1}"}`,
		through(t, func(v pcommon.Value) { v.SetStr(`{"body":"{\"password\":\"hunter2x\",\"x\":1}"}`) }).Str())
	list := through(t, func(v pcommon.Value) {
		s := v.SetEmptySlice()
		s.AppendEmpty().SetStr(mail)
		s.AppendEmpty().SetInt(7)
		s.AppendEmpty().SetBool(true)
		s.AppendEmpty().SetEmptyBytes().FromRaw([]byte(mail))
		s.AppendEmpty().SetEmptyMap().PutEmptySlice("to").AppendEmpty().SetStr("jane@example.com")
	})
	assert.Equal(t, []any{left, int64(7), true, []byte(left), map[string]any{"to": []any{"[REDACTED:email]"}}}, list.Slice().AsRaw())
}

// A payload of the ingest receiver that is not text stays byte for byte, and is counted; text is scrubbed under any type, and so is the
// attribute with the type.
func TestOpaquePayloadsStay(t *testing.T) {
	for _, c := range []struct{ kind, payload, want string }{
		{"application/octet-stream", "\x00\xff jane@example.com", "\x00\xff jane@example.com"},
		{"application/octet-stream", "jane@example.com", "[REDACTED:email]"},
		{"text/plain; charset=iso-8859-1", "J\xfcrgen jane@example.com", "J\xfcrgen [REDACTED:email]"},
		{"", "\x00\xff jane@example.com", "\x00\xff [REDACTED:email]"}, // not a payload of ingest
	} {
		s, tel := settings(t)
		sink := new(consumertest.LogsSink)
		p, err := NewFactory().CreateLogs(t.Context(), s, createDefaultConfig(), sink)
		require.NoError(t, err)
		require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
		ld := plog.NewLogs()
		r := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		r.Body().SetEmptyBytes().FromRaw([]byte(c.payload))
		if c.kind != "" {
			r.Attributes().PutStr("ingest.content_type", c.kind)
		}
		require.NoError(t, p.ConsumeLogs(t.Context(), ld))
		got := sink.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Bytes().AsRaw()
		assert.Equal(t, c.want, string(got), "%q", c.kind)
		_, err = tel.GetMetric("otelcol_processor_pii_scrubber_unscanned")
		assert.Equal(t, c.payload[0] != 'j', err == nil, "what is no UTF-8 is counted")
		require.NoError(t, p.Shutdown(t.Context()))
	}
}
