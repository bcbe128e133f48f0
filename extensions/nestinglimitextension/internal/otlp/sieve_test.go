package otlp_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/testdata"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/penstockhq/penstock/extensions/nestinglimitextension/internal/otlp"
)

func in(inner []byte, numbers ...protowire.Number) []byte {
	for i := len(numbers) - 1; i >= 0; i-- {
		inner = protowire.AppendBytes(protowire.AppendTag(nil, numbers[i], protowire.BytesType), inner)
	}
	return inner
}

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func logsOK(b []byte) error { return plogotlp.NewExportRequest().UnmarshalProto(b) }

func TestSieveOfLogs(t *testing.T) {
	good := in(in([]byte("good"), 3), 2)
	shortID := in(in([]byte("123"), 9), 2)
	for name, c := range map[string]struct {
		body     []byte
		left     int
		rejected int
		message  string
	}{
		"nothing wrong":       {in(join(good, good), 1, 2), 2, 0, ""},
		"an id of 3 bytes":    {in(join(good, shortID, good), 1, 2), 2, 1, "resourceLogs[0].scopeLogs[0].logRecords[1] is not a valid message"},
		"a broken record":     {in(join(good, in([]byte{0x1a, 200, 1}, 2), good), 1, 2), 2, 1, "logRecords[1]"},
		"a broken scope":      {join(in(join(in(good, 2), in([]byte("x"), 2), in(join(good, []byte{0xff}), 2)), 1)), 1, 1, "scopeLogs[1] is not a valid message; resourceLogs[0].scopeLogs[2]"},
		"a wrong scope name":  {in(join(in(join(good, in([]byte{8, 1}, 1)), 2), in(good, 2)), 1), 1, 1, "resourceLogs[0].scopeLogs[0] is not"},
		"a resource":          {join(in(join(in([]byte{8, 1}, 1), in(join(good, good), 2)), 1), in(good, 1, 2)), 1, 2, "resourceLogs[0] is not"},
		"only bad ones":       {in(shortID, 1, 2), 0, 1, "logRecords[0]"},
		"unknown fields stay": {join(in([]byte("x"), 77), in(good, 1, 2)), 1, 0, ""},
	} {
		out, rejected, err := otlp.Sieve(otlp.Logs, c.body, 1000, logsOK)
		require.NoError(t, err, name)
		request := plogotlp.NewExportRequest()
		require.NoError(t, request.UnmarshalProto(out), name)
		assert.Equal(t, c.left, request.Logs().LogRecordCount(), name)
		assert.Equal(t, c.rejected, rejected.Items, name)
		assert.Contains(t, rejected.Message(), c.message, name)
	}
	_, _, err := otlp.Sieve(otlp.Logs, []byte{0x0a, 200}, 1000, logsOK)
	assert.ErrorIs(t, err, otlp.ErrProtobuf)
}

// An item is measured together with its resource and scope, which travel with it.
func TestSieveOfLargeItems(t *testing.T) {
	record := func(n int) []byte { return in(in(bytes.Repeat([]byte("x"), n), 3), 2) }
	resource := func(n int) []byte { return in(in(bytes.Repeat([]byte("r"), n), 3, 1), 1) }
	for name, c := range map[string]struct {
		body           []byte
		left, rejected int
	}{
		"at the limit":               {in(join(record(10), record(997), record(10)), 1, 2), 3, 0},
		"above it":                   {in(join(record(10), record(998), record(10)), 1, 2), 2, 1},
		"above it with its resource": {in(join(resource(600), in(join(record(300), record(500), record(10)), 2)), 1), 2, 1},
		"a resource above it":        {join(in(join(resource(2000), in(join(record(1), record(2)), 2)), 1), in(record(3), 1, 2)), 1, 2},
	} {
		out, rejected, err := otlp.Sieve(otlp.Logs, c.body, 1000, func([]byte) error { return nil })
		require.NoError(t, err, name)
		request := plogotlp.NewExportRequest()
		require.NoError(t, request.UnmarshalProto(out), name)
		assert.Equal(t, c.left, request.Logs().LogRecordCount(), name)
		assert.Equal(t, c.rejected, rejected.Items, name)
		if c.rejected > 0 {
			assert.Equal(t, map[otlp.Reason]int{otlp.Size: c.rejected}, rejected.ByReason, name)
			assert.Contains(t, rejected.Message(), "more than 1000 bytes", name)
		}
	}
}

// A point that check refuses is taken out of whatever kind of metric it is in; the rest stays as it was.
func TestSieveOfPoints(t *testing.T) {
	metrics := testdata.GenerateMetrics(12)
	whole, err := pmetricotlp.NewExportRequestFromMetrics(metrics).MarshalProto()
	require.NoError(t, err)
	seen := 0
	out, rejected, err := otlp.Sieve(otlp.Metrics, whole, len(whole), func(b []byte) error {
		r := pmetricotlp.NewExportRequest()
		if err := r.UnmarshalProto(b); err != nil {
			return err
		}
		if r.Metrics().DataPointCount() == 1 {
			if seen++; seen%2 == 0 {
				return otlp.Depth.Error("is nested more than 3 deep (max_depth)")
			}
		}
		return nil
	})
	require.NoError(t, err)
	request := pmetricotlp.NewExportRequest()
	require.NoError(t, request.UnmarshalProto(out))
	assert.Equal(t, metrics.DataPointCount(), seen)
	assert.Equal(t, seen-seen/2, request.Metrics().DataPointCount())
	assert.Equal(t, seen/2, rejected.Items)
	assert.Equal(t, map[otlp.Reason]int{otlp.Depth: seen / 2}, rejected.ByReason)
	assert.Equal(t, metrics.MetricCount(), request.Metrics().MetricCount())
	assert.Contains(t, rejected.Message(), "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[1] is nested more than 3 deep")
}

// If nothing is rejected, the result for any bytes has the same content.
func FuzzSieve(f *testing.F) {
	b, err := plogotlp.NewExportRequestFromLogs(testdata.GenerateLogs(2)).MarshalProto()
	require.NoError(f, err)
	f.Add(b)
	f.Add(in([]byte("123"), 1, 2, 2, 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, rejected, err := otlp.Sieve(otlp.Logs, b, len(b), logsOK)
		before, after := plogotlp.NewExportRequest(), plogotlp.NewExportRequest()
		decodes := before.UnmarshalProto(b) == nil
		if err != nil || !decodes {
			return
		}
		require.False(t, rejected.Any(), "nothing of what decodes is rejected: %s", rejected.Message())
		require.NoError(t, after.UnmarshalProto(out))
		assert.Equal(t, before.Logs().LogRecordCount(), after.Logs().LogRecordCount())
	})
}

func TestPartialSuccess(t *testing.T) {
	assert.Empty(t, otlp.PartialSuccess{}.Proto())
	assert.Equal(t, "{}", string(otlp.PartialSuccess{}.JSON(otlp.Logs)))
	p := otlp.PartialSuccess{Rejected: 300, Message: "why"}
	assert.Equal(t, p, otlp.ParseResponse(p.Proto()))
	r := plogotlp.NewExportResponse()
	require.NoError(t, r.UnmarshalProto(p.Proto()))
	assert.EqualValues(t, 300, r.PartialSuccess().RejectedLogRecords())
	assert.Equal(t, "why", r.PartialSuccess().ErrorMessage())
	assert.JSONEq(t, `{"partialSuccess":{"rejectedLogRecords":"300","errorMessage":"why"}}`, string(p.JSON(otlp.Logs)))
	assert.JSONEq(t, `{"partialSuccess":{"rejectedSpans":"300","errorMessage":"why"}}`, string(p.JSON(otlp.Traces)))
	assert.JSONEq(t, `{"partialSuccess":{"rejectedDataPoints":"300","errorMessage":"why"}}`, string(p.JSON(otlp.Metrics)))
	for _, b := range []string{"", "\x0a\x00", "\x0a\x05", "\xff"} {
		assert.Equal(t, otlp.PartialSuccess{}, otlp.ParseResponse([]byte(b)))
	}
	assert.Equal(t, otlp.PartialSuccess{Rejected: 301, Message: "why; also"}, p.Add(otlp.PartialSuccess{Rejected: 1, Message: "also"}))
}
