package database

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/wal"
	"github.com/penstockhq/penstock/internal/freespace"
)

const asideDir = "damaged"

func walDir(dir string) string { return filepath.Join(dir, "wal") }
func wblDir(dir string) string { return filepath.Join(dir, wlog.WblDirName) }

// prepared is the state of a directory before Prometheus opens it.
type prepared struct {
	// identity is the present content of the file, and before its previous content.
	identity, before identity
	// rebuilt says that the head's chunk files were removed; the logs hold their samples.
	rebuilt bool
}

// prepare reads both logs and cuts them at damage, so that Prometheus never repairs them: its repair rewrites the damaged segment without fsync,
// deletes all later segments, and needs disk space. Segments after damage are moved to a separate directory.
//
// If a series is missing in the log, the next new series gets its number. So after a cut, and after a crash of the machine (which may keep any part
// of each file), no other data with such a number may remain: the chunk files are removed (the logs hold their samples), and the log of
// out-of-order samples is cut before the first such sample.
func prepare(dir string, log *slog.Logger) (p prepared, err error) {
	i, lost, err := readIdentity(dir)
	if err != nil {
		return p, err
	}
	if lost != "" {
		log.Error("The storage's identity could not be read and is set aside: samples that the checkpoints refer to count as lost", "file", lost)
	}
	crashed := i.Run != "" && !i.Clean && i.Boot != boot()
	wasCut := false
	_, checkpoint, err := wlog.LastCheckpoint(walDir(dir))
	if err != nil {
		checkpoint = -1 // there is none, or Prometheus reports the error
	}
	damage, err := wal.Scan(walDir(dir), checkpoint+1, nil)
	if err != nil {
		return p, fmt.Errorf("read the write-ahead log: %w", err)
	}
	if damage != nil {
		wasCut = true
		if err := cutDamage(dir, walDir(dir), "write-ahead log", damage, log); err != nil {
			return p, err
		}
	}
	newest := chunks.HeadSeriesRef(math.MaxUint64)
	if wasCut || crashed {
		if newest, err = newestSeries(dir, checkpoint); err != nil {
			return p, err
		}
	}
	if damage, err = wal.Scan(wblDir(dir), 0, unknownTo(newest, log)); err != nil {
		return p, fmt.Errorf("read the write-behind log: %w", err)
	}
	if damage != nil {
		wasCut = true
		if err := cutDamage(dir, wblDir(dir), "write-behind log (out-of-order samples)", damage, log); err != nil {
			return p, err
		}
	}
	if wasCut || crashed {
		if p.rebuilt, err = removeChunks(dir); err != nil {
			return p, err
		}
	}
	if err := errors.Join(wal.DropEmpty(walDir(dir)), wal.DropEmpty(wblDir(dir))); err != nil {
		return p, fmt.Errorf("remove empty segments: %w", err)
	}
	before, err := endsOf(dir)
	if err != nil {
		return p, err
	}
	p.before = i
	i.Earlier = slices.Clone(i.Earlier)
	i.begin(before)
	p.identity = i
	return p, i.write(dir)
}

func endsOf(dir string) (e ends, err error) {
	if e.WAL, err = wal.End(walDir(dir)); err != nil {
		return e, fmt.Errorf("end of the write-ahead log: %w", err)
	}
	if e.WBL, err = wal.End(wblDir(dir)); err != nil {
		return e, fmt.Errorf("end of the write-behind log: %w", err)
	}
	return e, nil
}

// cutDamage ends a log before the place that can't be read. An incomplete last record is normal after a crash; anything else is logged as an error.
func cutDamage(dir, logDir, what string, d *wal.Damage, log *slog.Logger) error {
	aside := filepath.Join(dir, asideDir, filepath.Base(logDir)+"-"+time.Now().UTC().Format("20060102T150405.000"))
	removed, err := wal.Cut(logDir, d.At, aside)
	if err != nil {
		return fmt.Errorf("cut the damaged %s: %w", what, err)
	}
	attributes := []any{"log", what, "segment", d.At.Segment, "offset", d.At.Offset, "cause", d.Cause, "size", freespace.Bytes(uint64(removed.Bytes))}
	if removed.Segments == 0 {
		log.Warn("The storage's log ended in a damaged record and was cut before it", attributes...)
		return nil
	}
	log.Error("The storage's log is damaged: records after the damaged place can't be read in order; the rest of that segment is cut, later segments are set aside",
		append(attributes, "segments", removed.Segments, "directory", aside)...)
	return nil
}

// newestSeries is the highest number of a series in the write-ahead log.
func newestSeries(dir string, checkpoint int) (newest chunks.HeadSeriesRef, err error) {
	decoder := record.NewDecoder(labels.NewSymbolTable(), slog.New(slog.DiscardHandler))
	var series []record.RefSeries
	each := func(rec []byte) error {
		if decoder.Type(rec) != record.Series {
			return nil
		}
		series, err = decoder.Series(rec, series[:0])
		if err != nil {
			return fmt.Errorf("decode series: %w", err)
		}
		for _, s := range series {
			newest = max(newest, s.Ref)
		}
		return nil
	}
	if checkpoint >= 0 {
		if damage, err := wal.Scan(wlog.CheckpointDir(walDir(dir), checkpoint), 0, each); err != nil {
			return 0, fmt.Errorf("read the checkpoint of the write-ahead log: %w", err)
		} else if damage != nil {
			return 0, fmt.Errorf("the checkpoint of the write-ahead log is damaged at %v: %w", damage.At, damage.Cause)
		}
	}
	if _, err := wal.Scan(walDir(dir), checkpoint+1, each); err != nil {
		return 0, fmt.Errorf("read the write-ahead log: %w", err)
	}
	return newest, nil
}

// unknownTo returns a callback for the log of out-of-order samples that refuses samples of series above newest.
func unknownTo(newest chunks.HeadSeriesRef, log *slog.Logger) func([]byte) error {
	if newest == math.MaxUint64 {
		return nil
	}
	decoder := record.NewDecoder(labels.NewSymbolTable(), log)
	check := func(ref chunks.HeadSeriesRef) error {
		if ref > newest {
			return fmt.Errorf("%w: it belongs to series %d, which the write-ahead log does not have", wal.ErrUnwanted, ref)
		}
		return nil
	}
	return func(rec []byte) (err error) {
		switch decoder.Type(rec) {
		case record.Samples, record.SamplesV2:
			var all []record.RefSample
			if all, err = decoder.Samples(rec, nil); err == nil {
				for _, s := range all {
					err = errors.Join(err, check(s.Ref))
				}
			}
		case record.HistogramSamples, record.CustomBucketsHistogramSamples, record.HistogramSamplesV2:
			var all []record.RefHistogramSample
			if all, err = decoder.HistogramSamples(rec, nil); err == nil {
				for _, s := range all {
					err = errors.Join(err, check(s.Ref))
				}
			}
		case record.FloatHistogramSamples, record.CustomBucketsFloatHistogramSamples, record.FloatHistogramSamplesV2:
			var all []record.RefFloatHistogramSample
			if all, err = decoder.FloatHistogramSamples(rec, nil); err == nil {
				for _, s := range all {
					err = errors.Join(err, check(s.Ref))
				}
			}
		}
		if err != nil && !errors.Is(err, wal.ErrUnwanted) {
			err = fmt.Errorf("%w: %w", wal.ErrUnwanted, err)
		}
		return err
	}
}

// removeChunks removes the head's chunk files.
func removeChunks(dir string) (bool, error) {
	files, err := chunkFiles(dir)
	if err != nil {
		return false, err
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			return false, fmt.Errorf("remove the head's chunk files: %w", err)
		}
	}
	return true, nil
}
