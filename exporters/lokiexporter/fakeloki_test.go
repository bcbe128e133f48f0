package lokiexporter

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/stretchr/testify/require"
)

// sent is one entry as Loki sees it.
type sent struct {
	Tenant   string            `json:"tenant,omitempty"`
	Stream   string            `json:"stream"`
	Time     int64             `json:"time"`
	Line     string            `json:"line"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

// arrival is one request.
type arrival struct {
	tenant  string
	streams []string
	entries []sent
	header  http.Header
}

type reply struct {
	status     int
	body       string
	retryAfter string
	refused    bool // nothing was stored
	// took reports which entries were stored; nil: all, unless refused.
	took func(sent) bool
}

// fakeLoki stores what it accepts. answer decides on each request, one at a time; nil accepts all.
type fakeLoki struct {
	t      *testing.T
	server *httptest.Server
	answer func(arrival) reply // called with mu held

	mu       sync.Mutex
	arrivals []arrival // guarded by mu
	stored   []sent    // guarded by mu
}

func newFakeLoki(t *testing.T, answer func(arrival) reply) *fakeLoki {
	f := &fakeLoki{t: t, answer: answer}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	return f
}

func (f *fakeLoki) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := decode(r)
	if err != nil || r.URL.Path != pushPath {
		f.t.Errorf("%s: %v", r.URL.Path, err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arrivals = append(f.arrivals, a)
	answer := reply{status: http.StatusNoContent}
	if f.answer != nil {
		answer = f.answer(a)
	}
	for _, e := range a.entries {
		if !answer.refused && (answer.took == nil || answer.took(e)) {
			f.stored = append(f.stored, e)
		}
	}
	if answer.retryAfter != "" {
		w.Header().Set("Retry-After", answer.retryAfter)
	}
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
}

func decode(r *http.Request) (arrival, error) {
	a := arrival{tenant: r.Header.Get(tenantHeader), header: r.Header}
	var request push.PushRequest
	if r.Header.Get("Content-Type") == "application/json" {
		zip, err := gzip.NewReader(r.Body)
		if err != nil {
			return a, err
		}
		if err := decodeJSON(zip, &request); err != nil {
			return a, err
		}
	} else {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return a, err
		}
		plain, err := snappy.Decode(nil, body)
		if err != nil {
			return a, err
		}
		if err := request.Unmarshal(plain); err != nil {
			return a, err
		}
	}
	for _, s := range request.Streams {
		a.streams = append(a.streams, s.Labels)
		for _, e := range s.Entries {
			entry := sent{Tenant: a.tenant, Stream: s.Labels, Time: e.Timestamp.UnixNano(), Line: e.Line}
			for _, p := range e.StructuredMetadata {
				if entry.Metadata == nil {
					entry.Metadata = make(map[string]string)
				}
				if _, ok := entry.Metadata[p.Name]; ok {
					return a, fmt.Errorf("metadata %q is listed twice", p.Name)
				}
				entry.Metadata[p.Name] = p.Value
			}
			a.entries = append(a.entries, entry)
		}
	}
	return a, nil
}

// decodeJSON reads the JSON form, streams as labels in the order of fmt's maps.
func decodeJSON(r io.Reader, request *push.PushRequest) error {
	var in struct {
		Streams []struct {
			Stream map[string]string
			Values [][]json.RawMessage
		}
	}
	if err := json.NewDecoder(r).Decode(&in); err != nil {
		return err
	}
	for _, s := range in.Streams {
		stream := push.Stream{Labels: fmt.Sprint(s.Stream)}
		for _, v := range s.Values {
			var e push.Entry
			var nanos string
			if err := json.Unmarshal(v[0], &nanos); err != nil {
				return err
			}
			if err := json.Unmarshal(v[1], &e.Line); err != nil {
				return err
			}
			if len(v) > 2 {
				if err := json.Unmarshal(v[2], &e.StructuredMetadata); err != nil {
					return err
				}
			}
			stream.Entries = append(stream.Entries, e)
		}
		request.Streams = append(request.Streams, stream)
	}
	return nil
}

// entries returns what was stored until now.
func (f *fakeLoki) entries() []sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.stored)
}

func (f *fakeLoki) lines() (lines []string) {
	for _, e := range f.entries() {
		lines = append(lines, e.Line)
	}
	return lines
}

// requests returns what arrived until now.
func (f *fakeLoki) requests() []arrival {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.arrivals)
}

func (f *fakeLoki) requireArrivals(n int) []arrival {
	f.t.Helper()
	all := f.requests()
	require.Len(f.t, all, n)
	return all
}
