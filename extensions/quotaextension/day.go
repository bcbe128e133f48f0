package quotaextension

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/durable"
	"github.com/penstockhq/penstock/internal/quota"
)

const (
	// saveInterval is how often the day's bytes are saved while they change; saving takes at most a fiftieth of the time.
	saveInterval = time.Second
	saveShare    = 50
)

// day saves the accounts' bytes of the day for the next process.
type day struct {
	path  string
	table *quota.Table
	log   *zap.Logger

	once  sync.Once
	end   chan struct{} // nil before start
	wg    sync.WaitGroup
	quiet bool // the last attempt also failed; used by the saving goroutine only
}

// start reads the file and saves from then on. An unreadable file counts as 0: no telemetry is refused for it.
func (d *day) start() error {
	if err := os.MkdirAll(filepath.Dir(d.path), 0o700); err != nil {
		return err
	}
	content, err := os.ReadFile(d.path)
	var saved quota.DayUse
	if err == nil {
		err = json.Unmarshal(content, &saved)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("The byte counts of the day could not be read: they start again at 0", zap.String("file", d.path), zap.Error(err))
	} else {
		d.table.Resume(time.Now(), saved)
	}
	d.end = make(chan struct{})
	d.wg.Go(d.run)
	return nil
}

func (d *day) run() {
	wait := saveInterval
	for {
		select {
		case <-d.end:
			d.save()
			return
		case <-time.After(wait):
		}
		wait = max(saveInterval, saveShare*d.save())
	}
}

// save rewrites the file, if anything changed, and returns how long that took.
func (d *day) save() time.Duration {
	begun := time.Now()
	today, changed := d.table.Today(begun)
	if !changed {
		return 0
	}
	content, err := json.Marshal(today)
	if err == nil {
		err = durable.WriteFile(d.path, content, 0o600)
	}
	if err != nil && !d.quiet {
		d.log.Warn("The byte counts of the day could not be saved: after a restart they would be too low", zap.String("file", d.path), zap.Error(err))
	}
	d.quiet = err != nil
	return time.Since(begun)
}

// stop saves for the last time. It may be repeated.
func (d *day) stop() {
	if d.end != nil {
		d.once.Do(func() { close(d.end) })
		d.wg.Wait()
	}
}

// keepDay creates the saver of the day's bytes. Gateways that share have them in the topic.
func (e *quotaExtension) keepDay() error {
	if e.exchange != nil || e.cfg.DayFile == "" {
		return nil
	}
	e.day = &day{path: e.cfg.DayFile, table: e.table, log: e.set.Logger}
	if err := e.day.start(); err != nil {
		return fmt.Errorf("extensions::%s::day_file: %w", e.set.ID, err)
	}
	return nil
}
