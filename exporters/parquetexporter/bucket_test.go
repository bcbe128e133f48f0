package parquetexporter

import (
	"bytes"
	"context"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/lakestore/place"
	"github.com/penstockhq/penstock/internal/lakestore/storetest"
)

// inStore is a harness whose lake is in an object store.
func inStore(t *testing.T, s *storetest.Store) *harness {
	h := newHarness(t)
	h.cfg.URL = s.Location("")
	h.cfg.S3 = place.S3Config{AccessKeyID: "key", SecretAccessKey: "secret"}
	return h
}

// rowsIn counts the rows of the objects below a prefix.
func rowsIn(t *testing.T, s *storetest.Store, prefix string) (rows int64) {
	t.Helper()
	for _, name := range s.Names() {
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, ".parquet") {
			r, err := file.NewParquetReader(bytes.NewReader(s.Object(name)))
			require.NoError(t, err, name)
			rows += r.NumRows()
			require.NoError(t, r.Close())
		}
	}
	return rows
}

func TestALakeInAnObjectStore(t *testing.T) {
	s := storetest.New(t)
	e := inStore(t, s).logs()
	require.NoError(t, e.ConsumeLogs(context.Background(), logsAt("", at(noon), at(noon.Add(time.Hour)))))
	require.NoError(t, e.ConsumeLogs(context.Background(), logsAt("", at(noon), at(noon.Add(time.Hour)))), "a repeated batch replaces itself")
	session := owned(t, nil)
	for range 2 {
		deliver(t, e, session, 100)
	}
	var dirs []string
	for _, name := range s.Names() {
		if !strings.Contains(name, "/_schema/") {
			dirs = append(dirs, path.Dir(name))
		}
	}
	const noonDir, laterDir = "some/prefix/logs/date=2026-11-24/hour=12/tenant=default", "some/prefix/logs/date=2026-11-24/hour=13/tenant=default"
	assert.Equal(t, []string{noonDir, noonDir, laterDir, laterDir}, dirs)
	assert.Equal(t, int64(5), rowsIn(t, s, "some/prefix/logs/"), "the second delivery of the range replaces the first")
}

func TestAWrongStoreStopsTheStart(t *testing.T) {
	s := storetest.New(t)
	for name, change := range map[string]func(*Config){
		"no such bucket":     func(c *Config) { c.URL = strings.Replace(c.URL, "s3://lake", "s3://other", 1) },
		"InvalidAccessKeyId": func(c *Config) { c.S3.AccessKeyID = "unknown" },
	} {
		h := inStore(t, s)
		change(h.cfg)
		e, err := NewFactory().CreateLogs(context.Background(), h.set, h.cfg)
		require.NoError(t, err)
		err = e.Start(context.Background(), componenttest.NewNopHost())
		require.ErrorContains(t, err, `url: "s3://`)
		require.ErrorContains(t, err, name)
		assert.NotContains(t, err.Error(), "secret")
		require.NoError(t, e.Shutdown(context.Background()))
	}
}

// A gateway that starts while its store is away takes data: the queue or the journal holds it until the store answers.
func TestAStoreThatIsAwayDelaysBatchesAndNotTheStart(t *testing.T) {
	s := storetest.New(t)
	var back atomic.Bool
	s.Fault = func(_ *storetest.Store, w http.ResponseWriter, _ *http.Request) bool {
		if back.Load() {
			return false
		}
		storetest.Refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable")
		return true
	}
	h := inStore(t, s)
	core, logs := observer.New(zap.WarnLevel)
	h.set.Logger = zap.New(core)
	e := h.logs()
	assert.Equal(t, 1, logs.FilterMessage("The object store does not answer; batches wait for it").Len())
	err := e.ConsumeLogs(context.Background(), logsAt("", at(noon)))
	require.Error(t, err)
	require.False(t, consumererror.IsPermanent(err), "the caller repeats it")
	back.Store(true)
	require.NoError(t, e.ConsumeLogs(context.Background(), logsAt("", at(noon))))
	assert.Equal(t, int64(1), rowsIn(t, s, ""))
}

// A range that was begun in another place is completed there, while it has a lake; one whose store has a new address alone is in the configured one.
func TestARangeThatWasBegunInAnotherPlaceOfTheStore(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		begun  string
		later  string
	}{
		"prefix":   {func(c *Config) { c.URL = strings.Replace(c.URL, "some/prefix", "other", 1) }, "some/prefix/", "other/"},
		"endpoint": {func(c *Config) { c.URL = strings.Replace(c.URL, "127.0.0.1", "localhost", 1) }, "some/prefix/", "some/prefix/"},
		"moved":    {func(c *Config) { c.URL = strings.Replace(c.URL, "lake/some/prefix", "lake/other", 1) }, "other/", "other/"},
	} {
		t.Run(name, func(t *testing.T) {
			s := storetest.New(t)
			h := inStore(t, s)
			before, session := h.logs(), owned(t, nil)
			require.NoError(t, before.ConsumeLogs(delivery.With(context.Background(), session), plog.NewLogs()), "it joins")
			restored := owned(t, session)
			if name != "moved" {
				deliver(t, before, owned(t, nil), 100)
			}
			require.NoError(t, before.Shutdown(context.Background()))
			if name == "moved" {
				s.Remove("some/prefix/")
			}
			c.change(h.cfg)
			after := h.logs()
			deliver(t, after, restored, 100)
			assert.Equal(t, int64(3), rowsIn(t, s, c.begun))
			assert.Equal(t, int64(3), rowsIn(t, s, ""), "once")
			restored.Adopt()
			deliver(t, after, restored, 200)
			assert.Equal(t, int64(6), rowsIn(t, s, ""))
			later := int64(3)
			if c.begun == c.later {
				later = 6
			}
			assert.Equal(t, later, rowsIn(t, s, c.later))
		})
	}
}
