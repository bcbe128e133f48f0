package parquetexporter

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/delivery"
)

// owned is a partition's session, restored from a snapshot of the one before.
func owned(t *testing.T, before *delivery.Session) *delivery.Session {
	t.Helper()
	set := delivery.Settings{Label: "penstock.logs-3"}
	if before != nil {
		var state bytes.Buffer
		require.NoError(t, before.Snapshot(&state))
		before.Close()
		set.State = state.Bytes()
	}
	s, err := delivery.NewSession(set)
	require.NoError(t, err)
	return s
}

// deliver is a recorded range of two hours, of which the first has fewer rows.
func deliver(t *testing.T, e exporter.Logs, s *delivery.Session, first int64) {
	t.Helper()
	ctx := delivery.Delivery{Session: s, Part: &delivery.RangePart{Bounds: delivery.Bounds{First: first, Next: first + 100}}}.In(context.Background())
	require.NoError(t, e.ConsumeLogs(ctx, logsAt("", at(noon), at(noon.Add(time.Hour)), at(noon.Add(time.Hour))+1)))
}

// named lists the files of the range at first, by lake and hour.
func named(t *testing.T, first int64, roots []string) (files []string) {
	t.Helper()
	prefix := fmt.Sprintf("penstock.logs-3-%020d-", first)
	for i, root := range roots {
		require.NoError(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if strings.HasPrefix(filepath.Base(path), prefix) {
				files = append(files, string(rune('a'+i))+" "+filepath.Base(filepath.Dir(filepath.Dir(path))))
			}
			return err
		}))
	}
	return files
}

// A range that comes again after the configuration has changed is written as it was begun; what comes after Adopt, as the
// configuration says. A lake that was moved is completed where it is now.
func TestARangeThatWasBegunKeepsItsLayout(t *testing.T) {
	for name, c := range map[string]struct {
		maxPartitions int
		newRoot, move bool
		begun, later  []string
	}{
		"partitions": {maxPartitions: 1, begun: []string{"a hour=12", "a hour=13"}, later: []string{"a hour=00", "a hour=13"}},
		"url":        {maxPartitions: 256, newRoot: true, begun: []string{"a hour=12", "a hour=13"}, later: []string{"b hour=12", "b hour=13"}},
		"both":       {maxPartitions: 1, newRoot: true, begun: []string{"a hour=12", "a hour=13"}, later: []string{"b hour=00", "b hour=13"}},
		"moved":      {maxPartitions: 1, newRoot: true, move: true, begun: []string{"b hour=12", "b hour=13"}, later: []string{"b hour=00", "b hour=13"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			roots := []string{h.root, t.TempDir()}
			before, session := h.logs(), owned(t, nil)
			require.NoError(t, before.ConsumeLogs(delivery.With(context.Background(), session), plog.NewLogs()), "it joins")
			restored := owned(t, session) // the process dies after this checkpoint, in the middle of the range
			deliver(t, before, owned(t, nil), 100)
			require.NoError(t, before.Shutdown(context.Background()))

			h.cfg.MaxPartitions = c.maxPartitions
			if c.newRoot {
				h.cfg.URL = "file://" + roots[1]
			}
			if c.move {
				require.NoError(t, os.Remove(roots[1]))
				require.NoError(t, os.Rename(roots[0], roots[1]))
				require.NoError(t, os.Mkdir(roots[0], 0o755)) // an empty mount point, say
			}
			after := h.logs()
			deliver(t, after, restored, 100)
			assert.Equal(t, c.begun, named(t, 100, roots))
			require.True(t, restored.Pending())
			restored.Adopt()
			deliver(t, after, restored, 200)
			assert.Equal(t, c.later, named(t, 200, roots))
			assert.Equal(t, c.begun, named(t, 100, roots))
		})
	}
}

// A queue in between can hold a batch for longer than its session lives. It comes again in the next one.
func TestABatchOfASessionThatHasEndedIsNotRepeated(t *testing.T) {
	h := newHarness(t)
	h.cfg.Retry.Enabled = true
	e, session := h.logs(), owned(t, nil)
	session.Close()
	err := e.ConsumeLogs(delivery.With(context.Background(), session), logsAt("", at(noon)))
	require.ErrorIs(t, err, delivery.ErrEnded)
	require.Empty(t, h.files())
}
