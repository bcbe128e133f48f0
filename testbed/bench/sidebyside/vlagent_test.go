package sidebyside

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// native is a server for VictoriaLogs' agent: it counts the rows of its own protocol, which no other product uses.
type native struct {
	*httptest.Server
	wire atomic.Int64

	mu     sync.Mutex
	rows   int64          // guarded by mu
	bodies map[string]int // guarded by mu; how often each message came
}

func newNative(t testing.TB) *native {
	n := &native{bodies: map[string]int{}}
	decoder, err := zstd.NewReader(nil)
	require.NoError(t, err)
	t.Cleanup(decoder.Close)
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			n.wire.Add(int64(len(body)))
			body, err = decoder.DecodeAll(body, nil)
		}
		if err == nil {
			err = n.take(body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}))
	t.Cleanup(n.Close)
	return n
}

func (n *native) take(block []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(block) > 0 {
		message, rest, err := row(block)
		if err != nil {
			return err
		}
		n.rows++
		n.bodies[message]++
		block = rest
	}
	return nil
}

var errRow = errors.New("not a row")

// row reads a row of the protocol and returns its message: tenant (8 bytes), stream, time (8 bytes), number of fields, fields. Texts have
// their length in front, as a varint.
func row(b []byte) (message string, rest []byte, err error) {
	number := func() (n uint64) {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			err = errRow
			return 0
		}
		b = b[size:]
		return n
	}
	skip := func(n uint64) (skipped []byte) {
		if n > uint64(len(b)) {
			err = errRow
			return nil
		}
		skipped, b = b[:n], b[n:]
		return skipped
	}
	skip(8)
	skip(number())
	skip(8)
	for range number() {
		name := string(skip(number()))
		value := skip(number())
		if name == "" || name == "_msg" { // The message has no name there.
			message = string(value)
		}
		if err != nil {
			return "", nil, err
		}
	}
	return message, b, err
}

// Arrived is how many rows have come.
func (n *native) arrived() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rows
}

func (n *native) onWire() int64 { return n.wire.Load() }

func (n *native) stored() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make(map[string]int, len(n.bodies))
	for body, count := range n.bodies {
		out[body] = count
	}
	return out
}

// vlagent returns the settings of VictoriaLogs' agent that sends to n, with its defaults; `make -C testbed/backends vlagent` builds it. A shell
// makes its flags of the variables that each child has.
func vlagent(t testing.TB, n *native) process.Settings {
	binary := filepath.Join(filepath.Dir(process.Binary(t)), "backends", "vlagent")
	require.FileExists(t, binary, "run `make -C testbed/backends vlagent` first")
	address := freeport.One(t)
	return process.Settings{
		Binary: binary,
		Under:  []string{"/bin/sh", "-c", fmt.Sprintf(`exec "$0" -httpListenAddr="$PENSTOCK_OTLP_HTTP_ENDPOINT" -tmpDataPath="$PENSTOCK_DATA_DIR" -remoteWrite.url=%s/insert/native`, n.URL)},
		Env:    map[string]string{"PENSTOCK_OTLP_HTTP_ENDPOINT": address, "PENSTOCK_HEALTH_ENDPOINT": address + "/health"},
	}
}
