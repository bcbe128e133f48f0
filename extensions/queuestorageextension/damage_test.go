package queuestorageextension_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/extensions/queuestorageextension"
)

// queued is how many requests the queue of a test holds, and queueFile where.
const (
	queued    = 40
	queueFile = "exporter_sink__logs"
)

// damages are those of whole files, as after a power cut, by a broken disk or by a person.
var damages = map[string]func(b []byte) []byte{
	"empty":          func([]byte) []byte { return nil },
	"zeroed":         func(b []byte) []byte { return make([]byte, len(b)) },
	"half":           func(b []byte) []byte { return b[:len(b)/2] },
	"a few bytes":    func(b []byte) []byte { return b[:100] },
	"one page":       func(b []byte) []byte { return b[:os.Getpagesize()] },
	"both roots":     func(b []byte) []byte { b[20] ^= 4; b[os.Getpagesize()+20] ^= 4; return b },
	"another's text": func([]byte) []byte { return []byte(`{"a": 1}`) },
	"pages zeroed":   func(b []byte) []byte { clear(b[2*os.Getpagesize():]); return b },
}

// One damaged queue file costs its content, is kept, counted and named, and does not affect other queues.
func TestADamagedQueueFileStopsNothing(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir)
			other := keep(t, dir, component.KindExporter, "other", "logs", "kept", "a request")
			rewrite(t, filepath.Join(dir, queueFile), damage)

			run := start(t, dir)
			delivered := run.drain(t)
			assert.Empty(t, delivered)
			client, err := run.GetClient(t.Context(), component.KindExporter, other, "logs")
			require.NoError(t, err)
			value, err := client.Get(t.Context(), "kept")
			require.NoError(t, err)
			assert.Equal(t, "a request", string(value))
			require.NoError(t, client.Close(t.Context()))
			run.stop(t)

			assert.EqualValues(t, 1, run.damaged(t))
			aside, err := filepath.Glob(filepath.Join(dir, queueFile+".damaged-*"))
			require.NoError(t, err)
			assert.Len(t, aside, 1)
			lines := run.logs.FilterMessageSnippet("was set aside").All()
			require.Len(t, lines, 1, run.logs.All())
			fields := lines[0].ContextMap()
			assert.Equal(t, aside[0], fields["kept_as"])
			assert.Equal(t, "requests that exporter sink had accepted for logs and not yet sent", fields["may_be_lost"])
		})
	}
}

// A damaged request is kept as a separate file, and the others are sent.
func TestADamagedRequestCostsItself(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	rewrite(t, filepath.Join(dir, queueFile), func(b []byte) []byte {
		b[bytes.LastIndex(b, []byte(payload(17)))+3] ^= 1
		return b
	})
	run := start(t, dir)
	delivered := run.drain(t)
	run.stop(t)
	assert.Len(t, delivered, queued-1)
	assert.NotContains(t, delivered, payload(17))
	assert.EqualValues(t, 1, run.damaged(t))
	aside, err := filepath.Glob(filepath.Join(dir, queueFile+".damaged-*"))
	require.NoError(t, err)
	assert.Len(t, aside, 1)
}

// The queue's state can be rebuilt from the stored requests.
func TestADamagedQueueStateCostsNothing(t *testing.T) {
	for name, change := range map[string]func(ctx context.Context, client storage.Client) error{
		"deleted": func(ctx context.Context, client storage.Client) error { return client.Delete(ctx, "qmv0") },
		"empty":   func(ctx context.Context, client storage.Client) error { return client.Set(ctx, "qmv0", nil) },
		"zeroed": func(ctx context.Context, client storage.Client) error {
			return client.Set(ctx, "qmv0", make([]byte, 20))
		},
		"nonsense": func(ctx context.Context, client storage.Client) error {
			return client.Set(ctx, "qmv0", []byte("nonsense"))
		},
		"a request under another number": func(ctx context.Context, client storage.Client) error {
			value, err := client.Get(ctx, "20")
			return errors.Join(err, client.Batch(ctx, storage.SetOperation("2000", value), storage.DeleteOperation("20")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir)
			stock := startStock(t, dir)
			client, err := stock.GetClient(t.Context(), component.KindExporter, component.MustNewID("sink"), "logs")
			require.NoError(t, err)
			require.NoError(t, change(t.Context(), client))
			require.NoError(t, client.Close(t.Context()))

			run := start(t, dir)
			delivered := run.drain(t)
			run.stop(t)
			assert.Len(t, delivered, queued)
			assert.NotZero(t, run.damaged(t))
		})
	}
}

// Wherever bits flip, blocks are zeroed or the file is cut: the start succeeds, only accepted requests are delivered, and every missing one is
// counted.
func TestAnyDamageIsSurvivedAndCounted(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	whole, err := os.ReadFile(filepath.Join(dir, queueFile))
	require.NoError(t, err)
	lossless, lossy := 0, 0
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 7))
		b := bytes.Clone(whole)
		switch at := rng.IntN(len(b)); rng.IntN(5) {
		case 0:
			b = b[:at]
		case 1:
			clear(b[at:min(len(b), at+512)])
		default:
			b[at/4096*4096+rng.IntN(1<<(5+rng.IntN(8)))] ^= 1 << rng.IntN(8)
		}
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, queueFile), b, 0o600))
		run := start(t, dir)
		delivered := run.drain(t)
		run.stop(t)
		for i := range queued {
			delete(delivered, payload(i))
			if i == queued-1 {
				assert.Empty(t, delivered, "seed %d: a request was changed", seed)
			}
		}
		if run.missing > 0 {
			lossy++
			require.NotZero(t, run.damaged(t), "seed %d: %d requests are missing and nothing says so", seed, run.missing)
		} else {
			lossless++
		}
	}
	assert.NotZero(t, lossy)
	assert.NotZero(t, lossless)
}

// Receivers keep positions here, processors their state. A damaged file or value of theirs is read as if nothing had been stored.
func TestOtherOwnersStartAfresh(t *testing.T) {
	for _, tt := range []struct {
		kind component.Kind
		name string
		file string
		lost string
	}{
		{component.KindReceiver, "", "receiver_own_", "the position up to which receiver own had read"},
		{component.KindProcessor, "state", "processor_own__state", "the state of processor own: open windows, and the last value of each stream"},
	} {
		for name, damage := range damages {
			t.Run(tt.kind.String()+" "+name, func(t *testing.T) {
				dir := t.TempDir()
				own := keep(t, dir, tt.kind, "own", tt.name, "key", "a value of some length")
				rewrite(t, filepath.Join(dir, tt.file), damage)
				run := start(t, dir)
				client, err := run.GetClient(t.Context(), tt.kind, own, tt.name)
				require.NoError(t, err)
				value, err := client.Get(t.Context(), "key")
				require.NoError(t, err)
				assert.Empty(t, value)
				require.NoError(t, client.Set(t.Context(), "key", []byte("new")))
				require.NoError(t, client.Close(t.Context()))
				run.stop(t)
				require.Equal(t, 1, run.logs.FilterMessageSnippet("was set aside").Len())
				assert.Equal(t, tt.lost, run.logs.FilterMessageSnippet("was set aside").All()[0].ContextMap()["may_be_lost"])
			})
		}
	}
	t.Run("a value", func(t *testing.T) {
		dir := t.TempDir()
		own := keep(t, dir, component.KindReceiver, "own", "", "key", "a value of some length")
		rewrite(t, filepath.Join(dir, "receiver_own_"), func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("some length"), []byte("same length"))
		})
		run := start(t, dir)
		client, err := run.GetClient(t.Context(), component.KindReceiver, own, "")
		require.NoError(t, err)
		value, err := client.Get(t.Context(), "key")
		require.NoError(t, err)
		assert.Nil(t, value)
		assert.EqualValues(t, 1, run.damaged(t))
		require.NoError(t, client.Close(t.Context()))
		run.stop(t)
	})
}

// Files of file_storage are taken over: the names are the same, and values without a checksum are read.
func TestFilesOfFileStorageAreTakenOver(t *testing.T) {
	dir := t.TempDir()
	stock := startStock(t, dir)
	long := strings.Repeat("long", 60)
	for _, id := range []string{"own", "own/b", "own/a:b,é", "own/" + long} {
		var own component.ID
		require.NoError(t, own.UnmarshalText([]byte(id)))
		for _, name := range []string{"", "state"} {
			client, err := stock.GetClient(t.Context(), component.KindProcessor, own, name)
			require.NoError(t, err)
			require.NoError(t, client.Set(t.Context(), "key", []byte(id+name)))
			require.NoError(t, client.Close(t.Context()))
		}
	}
	before := names(t, dir)
	run := start(t, dir)
	for _, id := range []string{"own", "own/b", "own/a:b,é", "own/" + long} {
		var own component.ID
		require.NoError(t, own.UnmarshalText([]byte(id)))
		for _, name := range []string{"", "state"} {
			assert.Contains(t, before, filepath.Base(queuestorageextension.Path(run.Extension, component.KindProcessor, own, name)))
			client, err := run.GetClient(t.Context(), component.KindProcessor, own, name)
			require.NoError(t, err)
			value, err := client.Get(t.Context(), "key")
			require.NoError(t, err)
			assert.Equal(t, id+name, string(value))
			require.NoError(t, client.Close(t.Context()))
		}
	}
	run.stop(t)
	assert.ElementsMatch(t, append(before, "owner.lock"), names(t, dir))
}

// A file that is open elsewhere is not taken for a damaged one, whatever is being written to it.
func TestAFileInUseIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	stock := startStock(t, dir)
	client, err := stock.GetClient(t.Context(), component.KindProcessor, component.MustNewID("own"), "")
	require.NoError(t, err)
	rewrite(t, filepath.Join(dir, "processor_own_"), func(b []byte) []byte { b[20] ^= 1; b[4096+20] ^= 1; return b })
	run := start(t, dir)
	_, err = run.GetClient(t.Context(), component.KindProcessor, component.MustNewID("own"), "")
	assert.ErrorContains(t, err, "is it open elsewhere?")
	assert.ElementsMatch(t, []string{"processor_own_", "owner.lock"}, names(t, dir))
	require.NoError(t, client.Close(t.Context()))
	run.stop(t)
}

// payload is the text of request i.
func payload(i int) string {
	return fmt.Sprintf("request %03d %s", i, strings.Repeat(string(rune('a'+i%26)), 40*i))
}

func textRequest(text string) plog.Logs {
	logs := request(0)
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr(text)
	return logs
}

func texts(logs plog.Logs) []string {
	var all []string
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				all = append(all, record.Body().Str())
			}
		}
	}
	return all
}

// fill leaves a queue in dir with requests 0 to queued-1, some of them in flight.
func fill(t *testing.T, dir string) {
	t.Helper()
	run := start(t, dir)
	logs := newExporter(t, false, func(context.Context, plog.Logs) error { return errors.New("the sink is down") })
	require.NoError(t, logs.Start(t.Context(), hostWith{componenttest.NewNopHost(), run}))
	for i := range queued {
		require.NoError(t, logs.ConsumeLogs(t.Context(), textRequest(payload(i))))
	}
	require.NoError(t, logs.Shutdown(context.Background()))
	run.stop(t)
}

// keep stores a value as a component does.
func keep(t *testing.T, dir string, kind component.Kind, id, name, key, value string) component.ID {
	t.Helper()
	own := component.MustNewID(id)
	run := start(t, dir)
	client, err := run.GetClient(t.Context(), kind, own, name)
	require.NoError(t, err)
	require.NoError(t, client.Set(t.Context(), key, []byte(value)))
	require.NoError(t, client.Close(t.Context()))
	run.stop(t)
	return own
}

// started is a running extension over real files.
type started struct {
	storage.Extension
	logs    *observer.ObservedLogs
	metrics *componenttest.Telemetry
	missing int // of the requests of fill, after drain
}

func start(t *testing.T, dir string) *started {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	metrics := componenttest.NewTelemetry()
	factory := queuestorageextension.NewFactory()
	set := extensiontest.NewNopSettings(factory.Type())
	set.TelemetrySettings = metrics.NewTelemetrySettings()
	set.Logger = zap.New(core)
	cfg := factory.CreateDefaultConfig().(*queuestorageextension.Config)
	cfg.Directory, cfg.FSync = dir, false
	ext, err := factory.Create(t.Context(), set, cfg)
	require.NoError(t, err)
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))
	return &started{Extension: ext.(storage.Extension), logs: logs, metrics: metrics}
}

func (s *started) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, s.Shutdown(context.Background()))
}

// drain runs the exporter of fill with a sink that accepts everything until its queue is empty, and returns the accepted requests.
func (s *started) drain(t *testing.T) map[string]int {
	t.Helper()
	var mu sync.Mutex
	delivered := map[string]int{}
	last := make(chan struct{})
	logs := newExporter(t, false, func(_ context.Context, batch plog.Logs) error {
		mu.Lock()
		defer mu.Unlock()
		for _, text := range texts(batch) {
			if text == "last" {
				close(last)
				continue
			}
			delivered[text]++
		}
		return nil
	})
	require.NoError(t, logs.Start(t.Context(), hostWith{componenttest.NewNopHost(), s}))
	require.NoError(t, logs.ConsumeLogs(t.Context(), textRequest("last")))
	<-last
	require.NoError(t, logs.Shutdown(context.Background()))
	for i := range queued {
		if delivered[payload(i)] == 0 {
			s.missing++
		}
	}
	return delivered
}

// damaged is the extension's count, over all reasons.
func (s *started) damaged(t *testing.T) int64 {
	t.Helper()
	found, err := s.metrics.GetMetric("otelcol_extension_queue_storage_damaged")
	if err != nil {
		return 0
	}
	var sum int64
	for _, point := range found.Data.(metricdata.Sum[int64]).DataPoints {
		sum += point.Value
	}
	return sum
}

func startStock(t *testing.T, dir string) storage.Extension {
	t.Helper()
	factory := filestorage.NewFactory()
	cfg := factory.CreateDefaultConfig().(*filestorage.Config)
	cfg.Directory = dir
	ext, err := factory.Create(t.Context(), extensiontest.NewNopSettings(factory.Type()), cfg)
	require.NoError(t, err)
	require.NoError(t, ext.Start(t.Context(), componenttest.NewNopHost()))
	return ext.(storage.Extension)
}

func rewrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, change(b), 0o600))
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
