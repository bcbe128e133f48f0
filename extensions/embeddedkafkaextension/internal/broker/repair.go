package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const logEntryHeader = 8 // length (4) and checksum (4) in front of version and data

// Repair is what was put right before the broker started.
type Repair struct {
	// TornBytes were cut from the ends of logs: writes that were never acknowledged.
	TornBytes int64
	// Indexes were rebuilt from their segments.
	Indexes int
	// Aborted transactions were open when the last process died.
	Aborted int
}

// repair makes directory such that kfake reads everything in it that was
// acknowledged. Without it, each of these was seen to lose something:
//
//   - A torn entry at the end of groups.log or pids.log hides whatever is
//     appended behind it from the next start but one.
//   - A torn index has each later entry describe the wrong batch.
//   - Data of a transaction that a crash cut off becomes visible when the
//     same producer commits again and then crashes: kfake aborts it in memory
//     only. So the marker that aborts it is written.
//   - A damaged byte inside a segment makes kfake cut off all that follows.
//     This is refused with a [DamageError].
//
// crashed: the last process did not close the directory.
func repair(directory string, crashed bool) (Repair, error) {
	var done Repair
	for _, name := range []string{"groups.log", "pids.log"} {
		torn, err := cutTornEntry(filepath.Join(directory, name))
		if err != nil {
			return done, err
		}
		done.TornBytes += torn
	}
	partitions, err := os.ReadDir(filepath.Join(directory, "partitions"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return done, err
	}
	for _, p := range partitions {
		if !p.IsDir() {
			continue
		}
		if err := done.partition(filepath.Join(directory, "partitions", p.Name()), crashed); err != nil {
			return done, err
		}
	}
	return done, nil
}

// A DamageError says that a segment has damage in front of sound records:
// not the end of a write that a crash cut off, but a bad disk or a stranger's
// hand.
type DamageError struct {
	File     string
	Position int // of the first damaged byte's batch
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d, in front of sound records; restore it, or move it and its .idx out of the way to go on without its records",
		e.File, e.Position)
}

// partition repairs one partition's directory.
func (r *Repair) partition(dir string, crashed bool) error {
	bases, err := segmentBases(dir)
	if err != nil {
		return err
	}
	open := map[int64]batch{} // by producer: transactions without an end
	for i, base := range bases {
		name := filepath.Join(dir, segmentName(base))
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		batches, sound := readBatches(raw)
		last := i == len(bases)-1
		if sound < len(raw) {
			if !last || soundBatchBehind(raw[sound:]) {
				return &DamageError{File: name, Position: sound}
			}
			if err := truncate(name, int64(sound)); err != nil {
				return err
			}
			r.TornBytes += int64(len(raw) - sound)
		}
		for _, b := range batches {
			switch {
			case b.control():
				delete(open, b.producer)
			case b.open():
				if _, ok := open[b.producer]; !ok {
					open[b.producer] = b
				}
			}
		}
		if last && crashed && len(batches) > 0 {
			added, err := appendAborts(name, batches[len(batches)-1], open)
			if err != nil {
				return err
			}
			batches = append(batches, added...)
			r.Aborted += len(added)
		}
		rebuilt, err := rebuildIndex(filepath.Join(dir, indexName(base)), batches)
		if err != nil {
			return err
		}
		if rebuilt {
			r.Indexes++
		}
	}
	return nil
}

// appendAborts writes one abort marker behind end for each open transaction.
func appendAborts(name string, end batch, open map[int64]batch) ([]batch, error) {
	if len(open) == 0 {
		return nil, nil
	}
	producers := make([]int64, 0, len(open))
	for p := range open {
		producers = append(producers, p)
	}
	slices.Sort(producers)
	var raw []byte
	for i, p := range producers {
		raw = append(raw, abortMarker(open[p], end.last+1+int64(i), end.epoch, time.Now().UnixMilli())...)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	added, _ := readBatches(raw)
	return added, nil
}

// rebuildIndex replaces an index that has another length or other transaction
// flags than its segment calls for.
func rebuildIndex(name string, batches []batch) (bool, error) {
	want := indexOf(batches)
	have, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	same := len(have) == len(want)
	for at := 0; same && at < len(want); at += indexEntryBytes {
		// The largest earlier time spans segments and is not used: leave it out.
		same = bytes.Equal(have[at+2:at+6], want[at+2:at+6]) && have[at+indexEntryBytes-1] == want[at+indexEntryBytes-1] &&
			have[at+1] == byte(crc32.Checksum(have[at+2:at+indexEntryBytes], castagnoli))
	}
	if same {
		return false, nil
	}
	tmp := name + ".tmp"
	if err := os.WriteFile(tmp, want, 0o644); err != nil {
		return false, err
	}
	return true, errors.Join(sync(tmp), os.Rename(tmp, name))
}

// cutTornEntry truncates one of kfake's append logs behind its last whole
// entry and returns how many bytes went.
func cutTornEntry(name string) (int64, error) {
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	sound := 0
	for sound+logEntryHeader <= len(raw) {
		length := int(binary.LittleEndian.Uint32(raw[sound:]))
		end := sound + logEntryHeader + length
		if length < 2 || end > len(raw) || crc32.Checksum(raw[sound+logEntryHeader:end], castagnoli) != binary.LittleEndian.Uint32(raw[sound+4:]) {
			break
		}
		sound = end
	}
	if sound == len(raw) {
		return 0, nil
	}
	return int64(len(raw) - sound), truncate(name, int64(sound))
}

func truncate(name string, size int64) error {
	if err := os.Truncate(name, size); err != nil {
		return err
	}
	return sync(name)
}

func sync(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func segmentName(base int64) string { return strconv.FormatInt(base, 10) + ".dat" }
func indexName(base int64) string   { return strconv.FormatInt(base, 10) + ".idx" }

// segmentBases lists the first offsets of a partition's segments, in order.
func segmentBases(dir string) ([]int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var bases []int64
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".dat"); ok {
			if base, err := strconv.ParseInt(name, 10, 64); err == nil {
				bases = append(bases, base)
			}
		}
	}
	slices.Sort(bases)
	return bases, nil
}
