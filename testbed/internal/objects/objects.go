// Package objects is an object store that speaks S3's protocol, with faults in front of it.
package objects

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"
)

// Kinds are the faults, in the order in which requests meet them: a slow answer; two refusals; a connection that is reset in the middle of the
// body; one that is reset after the store has executed the request.
var Kinds = []string{"slow", "500", "slow down", "reset", "lost answer"}

// Bucket is the one bucket of a store.
const Bucket = "lake"

// Store keeps its objects in memory; they outlive the process under test.
type Store struct {
	*httptest.Server

	backend gofakes3.Backend
	serve   http.Handler

	mu     sync.Mutex
	rng    *rand.Rand     // guarded by mu
	faulty float64        // guarded by mu; the part of the requests that meets a fault
	drawn  int            // guarded by mu; faults so far
	met    map[string]int // guarded by mu; by kind
}

// Start starts a store with an empty bucket. A process on this machine reaches it under URL.
func Start(t testing.TB, seed uint64) *Store {
	t.Helper()
	backend := s3mem.New()
	require.NoError(t, backend.CreateBucket(Bucket))
	s := &Store{backend: backend, serve: gofakes3.New(backend).Server(), rng: rand.New(rand.NewPCG(seed, 21)), met: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// Lake is the URL of a lake in the bucket.
func (s *Store) Lake() string {
	return "s3://" + Bucket + "/some/lake?region=us-east-1&path_style=true&endpoint=" + s.URL
}

// Env are the variables that a process finds the lake and its keys by.
func (s *Store) Env() map[string]string {
	return map[string]string{"PENSTOCK_LAKE_URL": s.Lake(), "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
}

// Faults lets a part of all requests, from 0 to 1, meet a fault.
func (s *Store) Faults(part float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faulty = part
}

// Met returns how many requests met each fault.
func (s *Store) Met() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	met := map[string]int{}
	for name, n := range s.met {
		met[name] = n
	}
	return met
}

// draw returns the name of the fault that a request meets, empty: none.
func (s *Store) draw() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rng.Float64() >= s.faulty {
		return ""
	}
	name := Kinds[s.drawn%len(Kinds)]
	s.drawn++
	s.met[name]++
	return name
}

// ServeHTTP implements http.Handler.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>a fault of the test</Message></Error>")
	}
	switch s.draw() {
	case "slow":
		select {
		case <-time.After(100 * time.Millisecond):
		case <-r.Context().Done():
		}
		s.serve.ServeHTTP(w, r)
	case "500":
		refuse(http.StatusInternalServerError, "InternalError")
	case "slow down":
		refuse(http.StatusServiceUnavailable, "SlowDown")
	case "reset":
		_, _ = io.CopyN(io.Discard, r.Body, 512)
		hangUp(w)
	case "lost answer":
		body, err := io.ReadAll(r.Body)
		if err == nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
			s.serve.ServeHTTP(httptest.NewRecorder(), r)
		}
		hangUp(w)
	default:
		s.serve.ServeHTTP(w, r)
	}
}

// hangUp resets the connection instead of an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// each reads the objects below the lake's prefix.
func (s *Store) each(t testing.TB, visit func(name string, content []byte)) {
	t.Helper()
	prefix := gofakes3.NewPrefix(new("some/lake/"), nil)
	list, err := s.backend.ListBucket(Bucket, &prefix, gofakes3.ListBucketPage{})
	require.NoError(t, err)
	require.False(t, list.IsTruncated)
	for _, entry := range list.Contents {
		object, err := s.backend.GetObject(Bucket, entry.Key, nil)
		require.NoError(t, err)
		content, err := io.ReadAll(object.Contents)
		require.NoError(t, err)
		require.NoError(t, object.Contents.Close())
		visit(entry.Key[len("some/lake/"):], content)
	}
}

// Rows returns how many rows of signal (logs, traces, metrics) there are, as the footers of the objects say.
func (s *Store) Rows(t testing.TB, signal string) (rows int64) {
	t.Helper()
	s.each(t, func(name string, content []byte) {
		if !strings.HasPrefix(name, signal+"/") {
			return
		}
		r, err := file.NewParquetReader(bytes.NewReader(content))
		require.NoError(t, err, name)
		rows += r.NumRows()
		require.NoError(t, r.Close())
	})
	return rows
}

// Download writes all objects below the lake's prefix into dir.
func (s *Store) Download(t testing.TB, dir string) {
	t.Helper()
	s.each(t, func(name string, content []byte) {
		to := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o700))
		require.NoError(t, os.WriteFile(to, content, 0o600))
	})
}

// Remove deletes the first object whose name, below the lake's prefix, begins with prefix.
func (s *Store) Remove(t testing.TB, prefix string) {
	t.Helper()
	var first string
	s.each(t, func(name string, _ []byte) {
		if first == "" && strings.HasPrefix(name, prefix) {
			first = name
		}
	})
	require.NotEmpty(t, first)
	_, err := s.backend.DeleteObject(Bucket, "some/lake/"+first)
	require.NoError(t, err)
}

// Names lists the objects whose names, below the lake's prefix, begin with prefix.
func (s *Store) Names(t testing.TB, prefix string) (names []string) {
	t.Helper()
	s.each(t, func(name string, _ []byte) {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	})
	return names
}
