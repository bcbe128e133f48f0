package queuestorageextension_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/penstockhq/penstock/extensions/queuestorageextension"
)

var errBroken = errors.New("input/output error")

// A disk that refuses transactions for a while, or for good, makes the queue forget nothing.
func TestFailedReadsLoseNothing(t *testing.T) {
	for name, c := range map[string]struct {
		fails func(call int64, ops []*storage.Operation) bool
		fatal bool
	}{
		"once":             {func(call int64, _ []*storage.Operation) bool { return call == 20 }, false},
		"every other time": {func(call int64, _ []*storage.Operation) bool { return call > 20 && call%2 == 0 }, false},
		"no writes with reads": {func(_ int64, ops []*storage.Operation) bool {
			return ops[0].Type == storage.Set && len(ops) == 2 && ops[1].Type == storage.Get
		}, false},
		"for good": {func(call int64, _ []*storage.Operation) bool { return call > 40 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				book := &ledger{delivered: make(map[int64]int)}
				hard := &disk{}
				life{process: hard.process(), holds: func(int64) bool { return true }, offers: sequence(0, 10)}.run(t, book)

				failing := hard.process()
				var calls atomic.Int64
				failing.fail = func(ops []*storage.Operation) error {
					if c.fails(calls.Add(1), ops) {
						return errBroken
					}
					return nil
				}
				host := &reporter{Host: componenttest.NewNopHost()}
				life{process: failing, host: host, offers: sequence(100, 10)}.run(t, book)
				assert.Equal(t, c.fatal, host.fatal.Load() > 0, "the collector ends when its queue can't be read")

				life{process: hard.process()}.run(t, book)
				lost, _ := book.lostAndDoubled()
				assert.Zero(t, lost)
			})
		})
	}
}

func TestUnknownMetadataStopsTheStart(t *testing.T) {
	hard := &disk{}
	started := open(t, hard.process())
	client, err := started.GetClient(t.Context(), component.KindExporter, component.MustNewID("sink"), "logs")
	require.NoError(t, err)
	require.NoError(t, client.Set(t.Context(), "qmv0", protowire.AppendTag(nil, 3, protowire.BytesType)))
	_, err = started.GetClient(t.Context(), component.KindExporter, component.MustNewID("sink"), "logs")
	assert.ErrorContains(t, err, "recover the queue of exporter sink for logs: malformed queue metadata")
}

// Queues and others store and read alike; a failed read is tried again, and ends the collector, for queues alone.
func TestEveryOwnerStoresAndReads(t *testing.T) {
	hard := (&disk{}).process()
	started := open(t, hard)
	for _, tt := range []struct {
		kind component.Kind
		name string
	}{{component.KindReceiver, "logs"}, {component.KindProcessor, "logs"}, {component.KindExporter, "state"}, {component.KindExporter, "logs"}} {
		client, err := started.GetClient(t.Context(), tt.kind, component.MustNewID("own"), tt.name)
		require.NoError(t, err)
		require.NoError(t, client.Set(t.Context(), "key", []byte("value")))
		value, err := client.Get(t.Context(), "key")
		require.NoError(t, err)
		assert.Equal(t, "value", string(value))
		if tt.name != "logs" || tt.kind != component.KindExporter {
			hard.fail = func([]*storage.Operation) error { return errBroken }
			_, err := client.Get(t.Context(), "key")
			require.ErrorIs(t, err, errBroken)
			hard.fail = nil
		}
		require.NoError(t, client.Delete(t.Context(), "key"))
		value, err = client.Get(t.Context(), "key")
		require.NoError(t, err)
		assert.Nil(t, value)
		require.NoError(t, client.Close(t.Context()))
	}
}

func TestGetClientNeedsAStart(t *testing.T) {
	_, err := newExtension(t, t.TempDir()).(storage.Extension).
		GetClient(t.Context(), component.KindExporter, component.MustNewID("sink"), "logs")
	assert.ErrorContains(t, err, "not started")
}

// open starts the extension over p until the test ends.
func open(t *testing.T, p *process) storage.Extension {
	t.Helper()
	ext := newExtension(t, t.TempDir())
	queuestorageextension.ReplaceFiles(ext, p)
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))
	t.Cleanup(func() { require.NoError(t, ext.Shutdown(context.Background())) })
	return ext.(storage.Extension)
}

// reporter is a host that counts fatal errors.
type reporter struct {
	component.Host
	fatal atomic.Int64
}

func (r *reporter) Report(event *componentstatus.Event) {
	if event.Status() == componentstatus.StatusFatalError && strings.Contains(event.Err().Error(), "kept for the next start") {
		r.fatal.Add(1)
	}
}
