package sender

import (
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gogo/protobuf/proto"
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	patience = 2 * time.Minute
	stale    = value.StaleNaN
)

// sample is one value of one series as it came over the wire.
type sample struct {
	labels    map[string]string
	bits      uint64 // of the value, where it is no histogram
	at, start int64
	histogram bool
	count     uint64 // of a histogram
	custom    []float64
	exemplars []map[string]string
	kind      string // 2.0: type of the family
	help      string // 2.0
}

func (s sample) value() float64 { return math.Float64frombits(s.bits) }

func (s sample) key() string {
	return fmt.Sprint(s.labels)
}

// receiver takes requests as answer says, and breaks the test where one breaks a clause.
type receiver struct {
	*httptest.Server
	t       *testing.T
	version string // 1.0 or 2.0: the one that must come

	mu       sync.Mutex
	answer   func(w http.ResponseWriter, n int) bool // true: stored
	stored   []sample
	families map[string]prompb.MetricMetadata // 1.0
	newest   map[string]int64
	bodies   map[string]int // how often each request came
	statuses map[int]int
}

func newReceiver(t *testing.T, version string) *receiver {
	r := &receiver{t: t, version: version, families: map[string]prompb.MetricMetadata{}, newest: map[string]int64{}, bodies: map[string]int{}, statuses: map[int]int{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// respond sets what requests are answered with from now on; nil takes them all. It forgets what came so far.
func (r *receiver) respond(answer func(w http.ResponseWriter, n int) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer, r.stored = answer, nil
	clear(r.bodies)
	clear(r.statuses)
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (r *receiver) ServeHTTP(plain http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &statusWriter{plain, http.StatusNoContent}
	defer func() { r.statuses[w.status]++ }()
	body, err := io.ReadAll(req.Body)
	if !assert.NoError(r.t, err) {
		return
	}
	r.bodies[string(body)]++
	r.checkHeaders(req)
	raw, err := snappy.Decode(nil, body) // the block format, not the framed one
	if !assert.NoError(r.t, err) {
		return
	}
	var samples []sample
	if r.version == "2.0" {
		samples = r.read2(raw)
	} else {
		samples = r.read1(raw)
	}
	if r.answer != nil && !r.answer(w, len(samples)) {
		return
	}
	for _, s := range samples {
		r.checkSample(s)
	}
	r.stored = append(r.stored, samples...)
	if r.answer == nil {
		written(w, samples)
		w.WriteHeader(http.StatusNoContent)
	}
}

func written(w http.ResponseWriter, samples []sample) {
	var floats, histograms, exemplars int
	for _, s := range samples {
		exemplars += len(s.exemplars)
		if s.histogram {
			histograms++
		} else {
			floats++
		}
	}
	w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(floats))
	w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(histograms))
	w.Header().Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(exemplars))
}

func (r *receiver) checkHeaders(req *http.Request) {
	assert.Equal(r.t, http.MethodPost, req.Method)
	assert.Equal(r.t, "snappy", req.Header.Get("Content-Encoding"))
	agent := req.Header.Get("User-Agent")
	assert.Regexp(r.t, `^[a-z-]+/[0-9].*`, agent, "name and version, RFC 9110")
	assert.NotContains(r.t, agent, "Go-http-client")
	media, params, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	assert.NoError(r.t, err)
	assert.Equal(r.t, "application/x-protobuf", media)
	if r.version == "2.0" {
		assert.Equal(r.t, "io.prometheus.write.v2.Request", params["proto"])
		assert.Equal(r.t, "2.0.0", req.Header.Get("X-Prometheus-Remote-Write-Version"))
		return
	}
	assert.Contains(r.t, []string{"", "prometheus.WriteRequest"}, params["proto"])
	assert.Equal(r.t, "0.1.0", req.Header.Get("X-Prometheus-Remote-Write-Version"))
}

// checkLabels: sorted by name, none twice, no empty name or value, UTF-8, a metric name.
func (r *receiver) checkLabels(names, values []string, exemplar bool) map[string]string {
	labels := make(map[string]string, len(names))
	for i, name := range names {
		assert.NotEmpty(r.t, name, "label name of %q", values)
		assert.NotEmpty(r.t, values[i], "value of label %q", name)
		assert.True(r.t, utf8.ValidString(name) && utf8.ValidString(values[i]), "%q=%q is not UTF-8", name, values[i])
		if i > 0 && !exemplar {
			assert.Less(r.t, names[i-1], name, "labels are sorted, and none is there twice")
		}
		labels[name] = values[i]
	}
	if !exemplar {
		assert.Regexp(r.t, `^[a-zA-Z_:][a-zA-Z0-9_:]*$`, labels["__name__"])
		for _, name := range names {
			assert.Regexp(r.t, `^[a-zA-Z_][a-zA-Z0-9_]*$`, name)
		}
	}
	return labels
}

func (r *receiver) read1(raw []byte) (all []sample) {
	var m prompb.WriteRequest
	if !assert.NoError(r.t, proto.Unmarshal(raw, &m)) {
		return nil
	}
	for _, f := range m.Metadata {
		r.families[f.MetricFamilyName] = f
	}
	for _, ts := range m.Timeseries {
		var names, values []string
		for _, l := range ts.Labels {
			names, values = append(names, l.Name), append(values, l.Value)
		}
		labels := r.checkLabels(names, values, false)
		var exemplars []map[string]string
		for _, x := range ts.Exemplars {
			var names, values []string
			for _, l := range x.Labels {
				names, values = append(names, l.Name), append(values, l.Value)
			}
			exemplars = append(exemplars, r.checkLabels(names, values, true))
			assert.NotZero(r.t, x.Timestamp)
		}
		assert.NotZero(r.t, len(ts.Samples)+len(ts.Histograms), "a series has a sample")
		for _, s := range ts.Samples {
			all = append(all, sample{labels: labels, bits: math.Float64bits(s.Value), at: s.Timestamp, exemplars: exemplars})
			exemplars = nil
		}
		for _, h := range ts.Histograms {
			all = append(all, sample{labels: labels, at: h.Timestamp, histogram: true, count: h.GetCountInt(), exemplars: exemplars})
			exemplars = nil
		}
	}
	return all
}

func (r *receiver) read2(raw []byte) (all []sample) {
	var m writev2.Request
	if !assert.NoError(r.t, proto.Unmarshal(raw, &m)) || !assert.NotEmpty(r.t, m.Symbols) {
		return nil
	}
	assert.Empty(r.t, m.Symbols[0], "the first symbol is the empty string")
	seen := map[string]bool{}
	for _, s := range m.Symbols {
		assert.False(r.t, seen[s], "symbol %q is there twice", s)
		seen[s] = true
	}
	symbols := func(refs []uint32, exemplar bool) map[string]string {
		var names, values []string
		assert.Zero(r.t, len(refs)%2)
		for i := 0; i+1 < len(refs); i += 2 {
			if !assert.Less(r.t, int(max(refs[i], refs[i+1])), len(m.Symbols), "reference without a symbol") {
				return nil
			}
			names, values = append(names, m.Symbols[refs[i]]), append(values, m.Symbols[refs[i+1]])
		}
		return r.checkLabels(names, values, exemplar)
	}
	for _, ts := range m.Timeseries {
		s := sample{labels: symbols(ts.LabelsRefs, false), kind: strings.TrimPrefix(ts.Metadata.Type.String(), "METRIC_TYPE_"), help: m.Symbols[ts.Metadata.HelpRef]}
		for _, x := range ts.Exemplars {
			s.exemplars = append(s.exemplars, symbols(x.LabelsRefs, true))
			assert.NotZero(r.t, x.Timestamp)
		}
		assert.NotZero(r.t, len(ts.Samples)+len(ts.Histograms), "a series has a sample")
		assert.True(r.t, len(ts.Samples) == 0 || len(ts.Histograms) == 0, "samples or histograms, not both")
		for _, x := range ts.Samples {
			f := s
			f.bits, f.at, f.start = math.Float64bits(x.Value), x.Timestamp, x.StartTimestamp
			all = append(all, f)
			s.exemplars = nil
		}
		for _, x := range ts.Histograms {
			h := s
			h.at, h.start, h.histogram, h.count, h.custom = x.Timestamp, x.StartTimestamp, true, x.GetCountInt(), x.CustomValues
			all = append(all, h)
			s.exemplars = nil
		}
	}
	return all
}

// checkSample: int64 milliseconds, and a series' samples in the order of time over all requests.
func (r *receiver) checkSample(s sample) {
	assert.InDelta(r.t, time.Now().UnixMilli(), s.at, float64(24*time.Hour.Milliseconds()), "%s: milliseconds since 1970", s.key())
	if last, ok := r.newest[s.key()]; ok {
		assert.Greater(r.t, s.at, last, "%s: not in the order of time", s.key())
	}
	r.newest[s.key()] = s.at
}

// await waits until a stored sample is what f wants, and returns it.
func (r *receiver) await(what string, f func(sample) bool) sample {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		for _, s := range r.all() {
			if f(s) {
				return s
			}
		}
	}
	require.Fail(r.t, "never came", what)
	return sample{}
}

// sample waits for one of the series with this name and these labels.
func (r *receiver) sample(name string, with ...string) sample {
	r.t.Helper()
	return r.await(fmt.Sprint(name, with), func(s sample) bool { return s.is(name, with...) })
}

func (s sample) is(name string, with ...string) bool {
	if s.labels["__name__"] != name {
		return false
	}
	for i := 0; i+1 < len(with); i += 2 {
		if s.labels[with[i]] != with[i+1] {
			return false
		}
	}
	return true
}

func (r *receiver) all() []sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]sample(nil), r.stored...)
}

func (r *receiver) family(name string) prompb.MetricMetadata {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.families[name]
}

// count is how many requests got this status.
func (r *receiver) count(status int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.statuses[status]
}

// mostRepeated is how often the request came that came most.
func (r *receiver) mostRepeated() (most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.bodies {
		most = max(most, n)
	}
	return most
}
