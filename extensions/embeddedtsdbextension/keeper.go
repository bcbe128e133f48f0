package embeddedtsdbextension

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/database"
	"github.com/penstockhq/penstock/internal/freespace"
)

// tryEvery is the pause between two attempts to open the storage, or to cut it back.
const tryEvery = time.Second

// temporary says whether an error of the file system can disappear while the collector runs, automatically or because somebody acts.
func temporary(err error) bool {
	for _, t := range []error{freespace.ErrFull, freespace.ErrReadOnly, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// keep opens the storage, and opens it again after its log has failed, until stop is closed. The rest of the collector continues meanwhile: samples
// wait in the queues of their senders.
func (e *tsdbExtension) keep(host component.Host, addr net.Addr) {
	defer e.opening.Do(func() { close(e.opened) })
	for {
		db := e.openWhenPossible(host, addr)
		if db == nil {
			return
		}
		troubled := e.failed.Swap(nil) != nil
		e.db.Store(db)
		e.opening.Do(func() { close(e.opened) })
		e.set.Logger.Info("The storage is open", zap.String("address", addr.String()), zap.Int64("series", db.Series()))
		if troubled {
			componentstatus.ReportStatus(host, componentstatus.NewEvent(componentstatus.StatusOK))
		}
		select {
		case <-e.stop:
			return
		case <-db.Broke():
		}
		err := db.Broken()
		e.failed.Store(&err)
		e.db.Store(nil)
		e.telemetry.ExtensionEmbeddedTsdbLogFailures.Add(context.Background(), 1)
		e.set.Logger.Error("A write to the storage's log failed. The storage is cut back to its durable part and opened again; writers of newer data get an error and send it again", zap.Error(err))
		componentstatus.ReportStatus(host, componentstatus.NewRecoverableErrorEvent(err))
		for err := db.CutBack(); err != nil; err = db.CutBack() {
			e.set.Logger.Error("The storage can't be cut back yet", zap.Error(err))
			if !e.pause() {
				return
			}
		}
	}
}

// openWhenPossible retries while the disk is full or the file system is read-only. It returns nil when the extension stops.
func (e *tsdbExtension) openWhenPossible(host component.Host, addr net.Addr) *database.DB {
	told := ""
	for {
		db, err := e.openOnce(addr)
		if err == nil {
			return db
		}
		e.failed.Store(&err)
		if !temporary(err) {
			e.set.Logger.Error("The storage can't be opened: senders keep their samples, queries are refused", zap.Error(err))
			componentstatus.ReportStatus(host, componentstatus.NewPermanentErrorEvent(err))
			return nil
		}
		if kind := kindOf(err); kind != told {
			told = kind
			e.set.Logger.Error("The storage isn't opened yet: senders keep their samples, queries are refused. It is opened when the cause is gone", zap.Error(err))
			componentstatus.ReportStatus(host, componentstatus.NewRecoverableErrorEvent(err))
		}
		if !e.pause() {
			return nil
		}
	}
}

func (e *tsdbExtension) openOnce(addr net.Addr) (*database.DB, error) {
	if e.unlock == nil {
		unlock, err := database.Lock(e.cfg.Directory)
		if err != nil {
			return nil, fmt.Errorf("directory: %w", err)
		}
		e.unlock = unlock
	}
	return e.openDatabase(e.settings(addr), &e.loading)
}

// pause returns false when the extension stops.
func (e *tsdbExtension) pause() bool {
	timer := time.NewTimer(tryEvery)
	defer timer.Stop()
	select {
	case <-e.stop:
		return false
	case <-timer.C:
		return true
	}
}

// kindOf is the value of the attribute `reason` for an error of Admit.
func kindOf(err error) string {
	switch {
	case errors.Is(err, freespace.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "disk_full"
	case errors.Is(err, freespace.ErrReadOnly), errors.Is(err, syscall.EROFS):
		return "read_only"
	case errors.Is(err, database.ErrBroken):
		return "log_failed"
	}
	return "not_ready"
}
