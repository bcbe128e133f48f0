package embeddedtsdbextension

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each version of remote write ignores the fields of the other: a message under the wrong name would be a success of which nothing is written.
func TestAMessageOfAnotherVersionIsRefused(t *testing.T) {
	const messageV2 = string(remoteapi.WriteV2MessageType)
	second := &writev2.Request{Symbols: []string{"", "__name__", "orders_total"}, Timeseries: []writev2.TimeSeries{{LabelsRefs: []uint32{1, 2}}}}
	first := v1(time.Now(), map[string]float64{"a": 1})
	large := v1(time.Now(), nil)
	for i := range 100 { // the literal's length takes more than a byte
		large.Timeseries = append(large.Timeseries, v1(time.Now(), map[string]float64{fmt.Sprint("large_", i): 1}).Timeseries...)
	}
	const is1, is2 = "a message of remote write 1.0", "a message of remote write 2.0"
	for name, c := range map[string]struct {
		message           proto.Message
		contentType, want string
	}{
		"2.0 as 1.0":          {second, contentV1, is2},
		"2.0 as 1.0, by name": {second, contentV1 + ";proto=prometheus.WriteRequest", is2},
		"2.0 without a type":  {second, "", is2},
		"1.0 as 2.0":          {first, contentV2, is1},
		"large 1.0 as 2.0":    {large, contentV2, is1},
		// The handler reads these otherwise than a media type is read.
		"2.0 behind a space":       {second, "application/x-protobuf; proto=" + messageV2, is2},
		"2.0 in quotes":            {second, `application/x-protobuf;proto="` + messageV2 + `"`, ""}, // refused by the handler
		"1.0 behind a space":       {first, "application/x-protobuf; proto=prometheus.WriteRequest", ""},
		"1.0, the space hides 2.0": {first, "application/x-protobuf; proto=" + messageV2, ""},
		"2.0 named twice":          {second, contentV2 + ";proto=" + messageV2, ""},
		"1.0, 2.0 named twice":     {first, contentV2 + ";proto=" + messageV2, is1},
		"1.0":                      {first, contentV1, ""},
		"large 1.0":                {large, contentV1, ""},
		"2.0":                      {second, contentV2, ""},
		"1.0 without anything":     {&prompb.WriteRequest{}, contentV1, ""},
		"metadata alone":           {&prompb.WriteRequest{Metadata: []prompb.MetricMetadata{{MetricFamilyName: "a"}}}, contentV1, ""},
		"another message":          {first, contentV1 + ";proto=another", ""},
		"another message, of 2":    {second, contentV1 + ";proto=another", ""},
	} {
		raw, err := proto.Marshal(c.message)
		require.NoError(t, err)
		sent := snappy.Encode(nil, raw)
		r := httptest.NewRequest(http.MethodPost, writePath, bytes.NewReader(sent))
		r.Header.Set("Content-Type", c.contentType)
		if c.want == "" {
			assert.Empty(t, mistaken(r), name)
		} else {
			assert.Contains(t, mistaken(r), c.want, name)
		}
		left, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		assert.Equal(t, sent, left, name)
	}
}

// No body panics, and none is changed.
func FuzzMistaken(f *testing.F) {
	f.Add([]byte{}, contentV1)
	f.Add([]byte{5, 0xfc, 1}, contentV2)
	f.Add(snappy.Encode(nil, []byte("\x22\x00")), contentV1)
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		r := httptest.NewRequest(http.MethodPost, writePath, bytes.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		mistaken(r)
		left, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(body, left) {
			t.Fatalf("%q became %q: %v", body, left, err)
		}
	})
}
