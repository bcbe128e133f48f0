package remotewrite_test

import (
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/remotewrite"
)

// Prometheus answers 500 to errors of its storage for which it has no status of its own. Retries would never end, and everything would wait for the one sample.
func TestA500AboutTheDataIsARefusal(t *testing.T) {
	for name, c := range map[string]struct {
		protocol remotewrite.Protocol
		text     string
		want     remotewrite.Reason
	}{
		"1.0, too old":          {remotewrite.Only1, "too old sample\n", remotewrite.TooOld},
		"1.0, no histograms":    {remotewrite.Only1, "native histograms are disabled\n", remotewrite.Unsupported},
		"2.0, no histograms":    {remotewrite.Only2, "native histograms are disabled\n", remotewrite.Unsupported},
		"auto, no histograms":   {remotewrite.Auto, "native histograms are disabled\n", remotewrite.Unsupported},
		"2.0, duplicate by 500": {remotewrite.Only2, "duplicate sample for timestamp\n", remotewrite.Duplicate},
	} {
		t.Run(name, func(t *testing.T) {
			samples := series(9, 1)
			samples[3].Histogram = &histogram.Histogram{Schema: 1}
			r := newReceiver(t, func(w http.ResponseWriter, g got) bool {
				if slices.Contains(g.series, `{__name__="m3"}`) {
					confirm(w, 0)
					http.Error(w, c.text, http.StatusInternalServerError)
					return false
				}
				confirm(w, len(g.times))
				return true
			})
			res, err := r.writer(c.protocol, 1).Write(t.Context(), remotewrite.NewMarks(), samples, nil, false)
			require.NoError(t, err)
			assert.Equal(t, 8, res.Sent.All())
			assert.Equal(t, map[remotewrite.Reason]int{c.want: 1}, res.Refused)
			assert.Equal(t, 8, r.all())
		})
	}
}

// A receiver with an error of its own is asked again, whatever else it says: one that writes to several others can have been refused by one, and have
// found another away.
func TestOther500sAreRetried(t *testing.T) {
	for _, text := range []string{"", "index out of bounds", "rpc error: out of memory", "limit exceeded", "invalid argument",
		"2 errors: forwarding request to endpoint b: connection refused; store locally: out of order sample"} {
		r := newReceiver(t, func(w http.ResponseWriter, _ got) bool {
			w.WriteHeader(http.StatusInternalServerError)
			_, err := io.WriteString(w, text)
			return err != nil
		})
		var again *remotewrite.RetryError
		_, err := r.writer(remotewrite.Auto, 1).Write(t.Context(), remotewrite.NewMarks(), series(3, 1), nil, false)
		require.ErrorAs(t, err, &again, text)
	}
}

// A receiver that drops a whole 1.0 request for the labels of one series.
func TestOneSeriesThatIsInvalidCostsNoOther(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, g got) bool {
		if slices.Contains(g.series, `{__name__="m17"}`) {
			http.Error(w, "label value too long", http.StatusBadRequest)
			return false
		}
		return true
	})
	res, err := r.writer(remotewrite.Only1, 2).Write(t.Context(), remotewrite.NewMarks(), series(40, 1), nil, false)
	require.NoError(t, err)
	assert.Equal(t, 39, res.Sent.All())
	assert.Equal(t, map[remotewrite.Reason]int{remotewrite.Invalid: 1}, res.Refused)
	assert.Equal(t, 39, r.all())
}

// A receiver that accepts no series' labels is not asked for each.
func TestASearchForALabelIsBounded(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ got) bool {
		http.Error(w, "invalid label", http.StatusBadRequest)
		return false
	})
	w := remotewrite.NewWriter(remotewrite.NewClient(r.Client(), r.URL, "test/1"),
		remotewrite.Settings{Protocol: remotewrite.Only1, MaxSamples: 1000, MaxBytes: 1 << 20, MaxShards: 1, Isolate: true})
	res, err := w.Write(t.Context(), remotewrite.NewMarks(), series(1000, 1), nil, false)
	require.NoError(t, err)
	assert.Equal(t, map[remotewrite.Reason]int{remotewrite.Invalid: 1000}, res.Refused)
	assert.Less(t, len(r.seen()), 70)
}
