package remotewrite_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/remotewrite"
	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

// receiver answers with its function, and keeps the accepted samples, by series.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string           // version and number of samples of each; guarded by mu
	stored   map[string][]int64 // times by series; guarded by mu
}

// got is a request as a receiver sees it.
type got struct {
	*http.Request
	v2     bool
	series []string
	times  []int64
}

// newReceiver calls answer for one request at a time.
func newReceiver(t *testing.T, answer func(w http.ResponseWriter, g got) (stored bool)) *receiver {
	t.Helper()
	r := &receiver{stored: map[string][]int64{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		g := decode(req)
		r.mu.Lock()
		defer r.mu.Unlock()
		version := "1"
		if g.v2 {
			version = "2"
		}
		r.requests = append(r.requests, fmt.Sprintf("%s:%d", version, len(g.times)))
		if answer(w, g) {
			for i, s := range g.series {
				r.stored[s] = append(r.stored[s], g.times[i])
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func decode(req *http.Request) got {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(err)
	}
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		panic(err)
	}
	g := got{Request: req, v2: req.Header.Get("X-Prometheus-Remote-Write-Version") == "2.0.0"}
	b := labels.NewScratchBuilder(0)
	if g.v2 {
		var m writev2.Request
		if err := proto.Unmarshal(raw, &m); err != nil {
			panic(err)
		}
		for _, ts := range m.Timeseries {
			ls, err := ts.ToLabels(&b, m.Symbols)
			if err != nil {
				panic(err)
			}
			g.series, g.times = append(g.series, ls.String()), append(g.times, timeOf(ts))
		}
		return g
	}
	var m prompb.WriteRequest
	if err := proto.Unmarshal(raw, &m); err != nil {
		panic(err)
	}
	for _, ts := range m.Timeseries {
		g.series, g.times = append(g.series, ts.ToLabels(&b, nil).String()), append(g.times, timeOf1(ts))
	}
	return g
}

func timeOf1(ts prompb.TimeSeries) int64 {
	if len(ts.Histograms) > 0 {
		return ts.Histograms[0].Timestamp
	}
	return ts.Samples[0].Timestamp
}

// timeOf is the time of a series' only sample.
func timeOf(ts writev2.TimeSeries) int64 {
	if len(ts.Histograms) > 0 {
		return ts.Histograms[0].Timestamp
	}
	return ts.Samples[0].Timestamp
}

func (r *receiver) writer(p remotewrite.Protocol, shards int) *remotewrite.Writer {
	return remotewrite.NewWriter(
		remotewrite.NewClient(r.Client(), r.URL, "test/1"),
		remotewrite.Settings{Protocol: p, MaxSamples: 10, MaxBytes: 1 << 20, MaxShards: shards, Isolate: true},
	)
}

func confirm(w http.ResponseWriter, n int) {
	w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(n))
}

// series makes n samples at time at, of n series.
func series(n int, at int64) []sample.Sample {
	s := make([]sample.Sample, n)
	for i := range s {
		s[i] = sample.Sample{Labels: labels.FromStrings("__name__", fmt.Sprintf("m%d", i)), Time: at}
		s[i].Hash = s[i].Labels.Hash()
	}
	return s
}

// seen returns the requests until now.
func (r *receiver) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// kept returns the times of what was stored until now, by series.
func (r *receiver) kept() map[string][]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string][]int64, len(r.stored))
	for s, times := range r.stored {
		out[s] = slices.Clone(times)
	}
	return out
}

func (r *receiver) all() (n int) {
	for _, times := range r.kept() {
		n += len(times)
	}
	return n
}

func TestHeadersOfBothVersions(t *testing.T) {
	for _, c := range []struct {
		protocol               remotewrite.Protocol
		version, contentType   string
		wantSent, wantRequests int
	}{
		{remotewrite.Only1, "0.1.0", "application/x-protobuf", 3, 1},
		{remotewrite.Only2, "2.0.0", "application/x-protobuf;proto=io.prometheus.write.v2.Request", 3, 1},
	} {
		r := newReceiver(t, func(w http.ResponseWriter, g got) bool {
			assert.Equal(t, http.MethodPost, g.Method)
			assert.Equal(t, "snappy", g.Header.Get("Content-Encoding"))
			assert.Equal(t, c.contentType, g.Header.Get("Content-Type"))
			assert.Equal(t, c.version, g.Header.Get("X-Prometheus-Remote-Write-Version"))
			assert.Equal(t, "test/1", g.Header.Get("User-Agent"))
			assert.Equal(t, "team", g.Header.Get("X-Scope-OrgID"))
			confirm(w, len(g.times))
			return true
		})
		res, err := r.writer(c.protocol, 1).Write(t.Context(), remotewrite.NewMarks(), series(3, 1), http.Header{"X-Scope-Orgid": {"team"}}, false)
		require.NoError(t, err)
		assert.Equal(t, remotewrite.Counts{Samples: c.wantSent}, res.Sent)
		assert.Len(t, r.seen(), c.wantRequests)
	}
}

func TestFallsBackToVersion1(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"415":                          func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnsupportedMediaType) },
		"success without confirmation": func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, func(w http.ResponseWriter, g got) bool {
				if g.v2 {
					answer(w)
				}
				return !g.v2
			})
			w := r.writer(remotewrite.Auto, 1)
			for range 2 {
				_, err := w.Write(t.Context(), remotewrite.NewMarks(), series(3, 1), nil, false)
				require.NoError(t, err)
			}
			assert.Equal(t, []string{"2:3", "1:3", "1:3"}, r.seen(), "asked for once")
		})
	}
}

func TestNothingIsLostOrSentTwiceWhenABatchComesAgain(t *testing.T) {
	var calls, well atomic.Int32
	r := newReceiver(t, func(w http.ResponseWriter, g got) bool {
		if calls.Add(1)%3 == 0 && well.Load() == 0 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
			return false
		}
		confirm(w, len(g.times))
		return true
	})
	w := r.writer(remotewrite.Auto, 4)
	known := remotewrite.NewMarks()
	samples := series(200, 1)
	sent := 0
	res, err := w.Write(t.Context(), known, samples, nil, false)
	sent += res.Sent.All()
	var again *remotewrite.RetryError
	require.ErrorAs(t, err, &again)
	assert.Equal(t, 7*time.Second, again.After)
	assert.Positive(t, sent, "the test means a part that is delivered")
	well.Store(1)
	res, err = w.Write(t.Context(), known, samples, nil, false)
	require.NoError(t, err)
	sent += res.Sent.All()
	assert.Equal(t, 200, sent)
	assert.Len(t, r.kept(), 200)
	assert.Equal(t, 200, r.all(), "none twice")
	// A completed batch is forgotten: the same samples are then another batch.
	_, err = w.Write(t.Context(), known, samples, nil, false)
	require.NoError(t, err)
	assert.Equal(t, 400, r.all())
}

func TestSamplesOfASeriesStayInOrder(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, g got) bool {
		confirm(w, len(g.times))
		return true
	})
	w := r.writer(remotewrite.Auto, 8)
	var samples []sample.Sample
	for at := range int64(50) {
		samples = append(samples, series(20, 50-at)...) // newest first
	}
	_, err := w.Write(t.Context(), remotewrite.NewMarks(), samples, nil, false)
	require.NoError(t, err)
	for s, times := range r.kept() {
		require.Len(t, times, 50)
		require.IsIncreasing(t, times, s)
	}
	for _, req := range r.seen() {
		assert.LessOrEqual(t, len(req), len("2:10"))
	}
}

func TestOnlyRefusedSamplesAreLostInVersion1(t *testing.T) {
	bad := map[string]bool{`{__name__="m3"}`: true, `{__name__="m17"}`: true}
	r := newReceiver(t, func(w http.ResponseWriter, g got) bool {
		for _, s := range g.series {
			if bad[s] {
				http.Error(w, "out of order sample", http.StatusBadRequest) // and all samples are rolled back, as by Prometheus
				return false
			}
		}
		return true
	})
	res, err := r.writer(remotewrite.Only1, 2).Write(t.Context(), remotewrite.NewMarks(), series(40, 1), nil, false)
	require.NoError(t, err)
	assert.Equal(t, 38, res.Sent.All())
	assert.Equal(t, map[remotewrite.Reason]int{remotewrite.OutOfOrder: 2}, res.Refused)
	assert.Equal(t, 38, r.all())
}

func TestRefusalsAreCountedByReason(t *testing.T) {
	for _, c := range []struct {
		status    int
		body      string
		confirmed int
		want      map[remotewrite.Reason]int
		retry     bool
	}{
		{status: 204, confirmed: 5, want: map[remotewrite.Reason]int{}},
		{status: 204, confirmed: 3, want: map[remotewrite.Reason]int{remotewrite.Unconfirmed: 2}},
		{status: 400, body: "out of order sample for series m1", confirmed: 4, want: map[remotewrite.Reason]int{remotewrite.OutOfOrder: 1}},
		{status: 400, body: "duplicate sample for timestamp", confirmed: 4, want: map[remotewrite.Reason]int{remotewrite.Duplicate: 1}},
		{status: 400, body: "per-user series limit of 10 exceeded (err-mimir-max-series-per-user)", want: map[remotewrite.Reason]int{remotewrite.Limit: 5}},
		{status: 400, body: "invalid metric name", want: map[remotewrite.Reason]int{remotewrite.Invalid: 5}},
		{status: 400, body: "?", want: map[remotewrite.Reason]int{remotewrite.BadRequest: 5}},
		{status: 413, want: map[remotewrite.Reason]int{remotewrite.TooLarge: 5}},
		{status: 422, body: "?", want: map[remotewrite.Reason]int{remotewrite.BadRequest: 5}},
		{status: 408, retry: true}, {status: 425, retry: true}, {status: 429, retry: true}, {status: 500, retry: true}, {status: 503, retry: true},
		// An error that an operator can correct says nothing about the samples.
		{status: 401, retry: true}, {status: 403, retry: true}, {status: 404, retry: true}, {status: 405, retry: true},
		{status: 407, retry: true}, {status: 410, retry: true}, {status: 415, retry: true},
	} {
		t.Run(fmt.Sprint(c.status, c.body), func(t *testing.T) {
			r := newReceiver(t, func(w http.ResponseWriter, _ got) bool {
				confirm(w, c.confirmed)
				w.WriteHeader(c.status)
				_, err := io.WriteString(w, c.body)
				return err == nil
			})
			res, err := r.writer(remotewrite.Only2, 1).Write(t.Context(), remotewrite.NewMarks(), series(5, 1), nil, false)
			if c.retry {
				var again *remotewrite.RetryError
				require.ErrorAs(t, err, &again)
				assert.Equal(t, c.status, again.Status)
				assert.Empty(t, res.Refused)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, res.Refused)
		})
	}
}

func TestNoAnswerIsRetried(t *testing.T) {
	r := newReceiver(t, func(http.ResponseWriter, got) bool { return true })
	w := r.writer(remotewrite.Auto, 1)
	r.Close()
	_, err := w.Write(t.Context(), remotewrite.NewMarks(), series(1, 1), nil, false)
	var again *remotewrite.RetryError
	require.ErrorAs(t, err, &again)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.Write(ctx, remotewrite.NewMarks(), series(1, 1), nil, false)
	require.ErrorIs(t, err, context.Canceled)
}

func TestWithoutIsolationARefusedRequestIsSentOnce(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ got) bool {
		http.Error(w, "out of order sample", http.StatusBadRequest)
		return false
	})
	w := remotewrite.NewWriter(remotewrite.NewClient(r.Client(), r.URL, "test/1"),
		remotewrite.Settings{Protocol: remotewrite.Only1, MaxSamples: 10, MaxBytes: 1 << 20, MaxShards: 1})
	res, err := w.Write(t.Context(), remotewrite.NewMarks(), series(5, 1), nil, false)
	require.NoError(t, err)
	assert.Equal(t, map[remotewrite.Reason]int{remotewrite.OutOfOrder: 5}, res.Refused)
	assert.Equal(t, []string{"1:5"}, r.seen())
}

// A busy receiver answers some requests with 503, and had stored one of them; another answer is lost. Samples that are refused the second
// time are already stored.
func TestWhatIsRefusedWhenItComesAgainIsRedelivered(t *testing.T) {
	newest := map[string]int64{} // the receiver's alone, which answers one request at a time
	calls := 0
	r := newReceiver(t, func(w http.ResponseWriter, g got) bool {
		calls++
		stored, late := 0, 0
		for i, s := range g.series {
			if g.times[i] <= newest[s] {
				late++
				continue
			}
			newest[s] = g.times[i]
			stored++
		}
		switch calls {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler)
		default:
			confirm(w, stored)
			if late > 0 {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, "out of order sample")
			}
		}
		return true
	})
	w := r.writer(remotewrite.Only2, 1)
	known := remotewrite.NewMarks()
	samples := append(series(5, 1), series(5, 2)...)
	for range 2 {
		var again *remotewrite.RetryError
		_, err := w.Write(t.Context(), known, samples, nil, false)
		require.ErrorAs(t, err, &again)
	}
	res, err := w.Write(t.Context(), known, samples, nil, false)
	require.NoError(t, err)
	assert.Equal(t, 10, res.Redelivered)
	assert.Empty(t, res.Refused)

	// The batch is complete: the same samples are new ones now, unless the caller says otherwise.
	res, err = w.Write(t.Context(), known, samples, nil, false)
	require.NoError(t, err)
	assert.Equal(t, map[remotewrite.Reason]int{remotewrite.OutOfOrder: 10}, res.Refused)
	res, err = w.Write(t.Context(), known, samples, nil, true)
	require.NoError(t, err)
	assert.Equal(t, 10, res.Redelivered)
	assert.Empty(t, res.Refused)
}

func TestTooLargeRequestsAreDivided(t *testing.T) {
	for _, p := range []remotewrite.Protocol{remotewrite.Only1, remotewrite.Only2} {
		r := newReceiver(t, func(w http.ResponseWriter, g got) bool {
			if len(g.times) > 3 || slices.Contains(g.series, `{__name__="m9"}`) {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return false
			}
			confirm(w, len(g.times))
			return true
		})
		res, err := r.writer(p, 1).Write(t.Context(), remotewrite.NewMarks(), series(10, 1), nil, false)
		require.NoError(t, err)
		assert.Equal(t, 9, res.Sent.All())
		assert.Equal(t, map[remotewrite.Reason]int{remotewrite.TooLarge: 1}, res.Refused, "a single sample that is too large")
	}
}

func TestRedirections(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, g got) bool {
		confirm(w, len(g.times))
		return true
	})
	for status, follows := range map[int]bool{307: true, 308: true, 301: false, 302: false} {
		from := httptest.NewServer(http.RedirectHandler(r.URL, status))
		w := remotewrite.NewWriter(remotewrite.NewClient(from.Client(), from.URL, "test/1"),
			remotewrite.Settings{Protocol: remotewrite.Only2, MaxSamples: 10, MaxBytes: 1 << 20, MaxShards: 1})
		res, err := w.Write(t.Context(), remotewrite.NewMarks(), series(1, int64(status)), nil, false)
		from.Close()
		if follows {
			require.NoError(t, err)
			assert.Equal(t, 1, res.Sent.All())
			continue
		}
		var again *remotewrite.RetryError
		require.ErrorAs(t, err, &again, "a GET would be answered with a page")
		assert.ErrorContains(t, err, r.URL)
	}
}

// A receiver that fell back to 1.0 doesn't support custom buckets: they are left out and counted, once, and the others are sent.
func TestCustomBucketsAreNotSentByVersion1(t *testing.T) {
	var well atomic.Bool
	r := newReceiver(t, func(w http.ResponseWriter, g got) bool {
		if g.v2 {
			w.WriteHeader(http.StatusUnsupportedMediaType)
			return false
		}
		if !well.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return well.Load()
	})
	samples := series(30, 1)
	for i := range samples[:25] {
		samples[i].Histogram = &histogram.Histogram{Schema: histogram.CustomBucketsSchema, CustomValues: []float64{1}}
	}
	w := r.writer(remotewrite.Auto, 1)
	known := remotewrite.NewMarks()
	refused := 0
	res, err := w.Write(t.Context(), known, samples, nil, false)
	var again *remotewrite.RetryError
	require.ErrorAs(t, err, &again)
	refused += res.Refused[remotewrite.Unsupported]
	well.Store(true)
	res, err = w.Write(t.Context(), known, samples, nil, false)
	require.NoError(t, err)
	refused += res.Refused[remotewrite.Unsupported]
	assert.Equal(t, 25, refused)
	assert.Equal(t, 5, res.Sent.All())
	assert.Equal(t, 5, r.all())
}

// Prometheus accepts a sample again that it has, and refuses one with a different value. When a batch is repeated that is no loss, but no
// repetition either: a component upstream computed two values for one time.
func TestAnotherValueIsToldFromARepetition(t *testing.T) {
	for body, differing := range map[string]int{"duplicate sample for timestamp": 1, "out of order sample": 0} {
		r := newReceiver(t, func(w http.ResponseWriter, _ got) bool {
			confirm(w, 4)
			http.Error(w, body, http.StatusBadRequest)
			return true
		})
		res, err := r.writer(remotewrite.Only2, 1).Write(t.Context(), remotewrite.NewMarks(), series(5, 1), nil, true)
		require.NoError(t, err)
		assert.Equal(t, 1, res.Redelivered, body)
		assert.Equal(t, differing, res.Differing, body)
		assert.Empty(t, res.Refused)
	}
}
