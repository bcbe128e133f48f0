package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

// noProducer is the producer of a control batch that ends no transaction: its only purpose is that readers get past missing records.
const noProducer = -1

// opening is a partition that is being opened.
type opening struct {
	set      Settings
	p        *Partition
	findings []Finding
	known    map[int64][]entry // the index on disk, by segment
	state    state             // at the end of the last segment read so far
	lost     []entry           // control batches of lost segments
	flushed  int64             // bytes of the last segment that were flushed, according to the index
	jump     bool              // the end of the log can't be read, or is missing: start a new segment
	trusted  bool              // the partition's metadata file could be read
}

// OpenPartition opens the log in a directory, or creates it. The findings list every repair, and everything that is missing since the last time.
// Damage is not an error; an error means that the disk failed.
func OpenPartition(set Settings) (*Partition, []Finding, error) {
	o := &opening{set: set, state: newState(), p: &Partition{set: set, seen: map[int64]bool{}, watchers: map[chan<- struct{}]struct{}{}}}
	p, err := o.open()
	if err != nil {
		if o.p.active != nil {
			_ = o.p.active.Close()
		}
		if o.p.tail != nil {
			_ = o.p.tail.Close()
		}
		return nil, o.findings, fmt.Errorf("open %s: %w", set.Directory, err)
	}
	return p, o.findings, nil
}

func (o *opening) open() (*Partition, error) {
	p := o.p
	if err := o.set.FS.MakeDirectory(o.set.Directory); err != nil {
		return nil, err
	}
	if err := o.set.FS.SyncDirectory(filepath.Dir(o.set.Directory)); err != nil {
		return nil, err
	}
	all, err := bases(o.set.FS, o.set.Directory, segmentSuffix)
	if err != nil {
		return nil, err
	}
	if err := o.readMeta(len(all) > 0); err != nil {
		return nil, err
	}
	if err := o.readTail(len(all) > 0); err != nil {
		return nil, err
	}
	if all, err = o.withSeals(all); err != nil {
		return nil, err
	}
	for i, base := range all {
		if err := o.segment(base, i == len(all)-1); err != nil {
			return nil, err
		}
	}
	if err := o.finish(len(all) > 0); err != nil {
		return nil, err
	}
	return p, nil
}

// withSeals adds the segments of which only the seal is left: the seal says what was in them.
func (o *opening) withSeals(all []int64) ([]int64, error) {
	sealed, err := bases(o.set.FS, o.set.Directory, sealSuffix)
	if err != nil {
		return nil, err
	}
	for _, base := range sealed {
		if slices.Contains(all, base) {
			continue
		}
		f, err := readFacts(o.set.FS, o.set.Directory, base)
		trimmed := o.p.meta.Start >= f.Next || o.p.meta.Start < 0 && (len(all) == 0 || base < all[0])
		if err != nil || trimmed {
			if err := o.set.FS.Remove(o.name(sealName(base))); err != nil {
				return nil, err
			}
			continue
		}
		file, err := o.set.FS.Open(o.name(segmentName(base)), true)
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			return nil, err
		}
		all = append(all, base)
	}
	slices.Sort(all)
	return all, nil
}

// readMeta reads the partition's metadata file, or assumes defaults.
func (o *opening) readMeta(existing bool) error {
	m, err := readMeta(o.set.FS, o.set.Directory)
	switch {
	case err == nil && len(m.Epochs) > 0:
		o.p.meta, o.trusted = m, true
		return nil
	case err != nil && !errors.Is(err, errMeta):
		return err
	}
	o.p.meta = meta{Start: -1, Closed: -1, Epochs: []epochStart{{}}}
	if existing || !errors.Is(err, fs.ErrNotExist) {
		o.find(Finding{Kind: Rebuilt, File: o.name(metaName), Done: "it is rebuilt from the segments"})
	}
	return nil
}

// readTail reads the index of the last segment.
func (o *opening) readTail(existing bool) (err error) {
	name := o.name(tailName)
	if o.p.tail, err = o.set.FS.Open(name, true); err != nil {
		return err
	}
	raw, err := disk.ReadFile(o.set.FS, name, maxSealBytes)
	if err != nil {
		return err
	}
	o.known, _ = decodeEntries(raw)
	if len(raw) == 0 && !existing {
		return o.set.FS.SyncDirectory(o.set.Directory)
	}
	return nil
}

func (o *opening) name(file string) string { return filepath.Join(o.set.Directory, file) }

func (o *opening) find(f Finding) { o.findings = append(o.findings, f) }

// known returns the entries that a segment is known to have had.
func (o *opening) knownOf(base int64) []entry {
	known := o.known[base]
	if sealed, err := readIndex(o.set.FS, o.set.Directory, base); err == nil && len(sealed) > len(known) {
		return sealed
	}
	return known
}

// segment adds the next segment: by its seal, or by reading it if it has no seal or is the last.
func (o *opening) segment(base int64, last bool) error {
	p := o.p
	if n := len(p.segments); n > 0 {
		o.between(p.segments[n-1], base)
	} else {
		o.before(base)
	}
	f, sealErr := readFacts(o.set.FS, o.set.Directory, base)
	size, err := o.size(base)
	if err != nil {
		return err
	}
	if sealErr == nil && !last && size == f.Size {
		o.take(f, nil)
		return nil
	}
	file, err := o.set.FS.Open(o.name(segmentName(base)), false)
	if err != nil {
		return err
	}
	s, err := scan(file, base, o.knownOf(base), o.state)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	o.report(base, s)
	seg := &segment{base: base, next: s.next, size: s.sound, maxTime: s.maxTime, written: o.set.Now().UnixMilli(), index: s.index, loaded: true}
	if last {
		p.segments = append(p.segments, seg)
		p.aborted = append(p.aborted, s.aborted...)
		o.state, o.jump, o.flushed = s.state, s.over(), s.flushed
		p.active = file
		return o.rewrite(s)
	}
	if s.sound < size {
		err = file.Truncate(s.sound)
		if err == nil {
			err = file.Sync()
		}
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if sealErr != nil {
		o.find(Finding{Kind: Rebuilt, File: o.name(sealName(base)), Done: "it is rebuilt from the segment"})
	}
	f = factsOf(seg, s.state, s.aborted)
	if err := writeSeal(o.set.FS, o.set.Directory, f, s.index); err != nil {
		return err
	}
	o.take(f, s.index)
	return nil
}

// rewrite restores control batches that were cut off the end: their index entries contain everything.
func (o *opening) rewrite(s *scanned) error {
	for _, e := range s.rewrite {
		raw, _ := e.marker(o.p.meta.Epochs[len(o.p.meta.Epochs)-1].Epoch)
		if _, err := o.p.active.WriteAt(raw, e.pos); err != nil {
			return err
		}
	}
	if n := len(s.rewrite); n > 0 {
		o.find(Finding{Kind: Rebuilt, File: o.set.Directory, Done: fmt.Sprintf("%d end markers of transactions were restored from the index", n)})
	}
	return nil
}

func (o *opening) size(base int64) (int64, error) {
	f, err := o.set.FS.Open(o.name(segmentName(base)), false)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Size()
}

// take adds a full segment as its seal describes it.
func (o *opening) take(f facts, index []entry) {
	o.p.segments = append(o.p.segments, &segment{base: f.Base, next: f.Next, size: f.Size, maxTime: f.MaxTime, written: f.Written,
		index: index, loaded: index != nil})
	o.p.aborted = append(o.p.aborted, f.Aborted...)
	o.state = newState()
	for id, p := range f.Producers {
		o.state.producers[id] = p
	}
	for _, open := range f.Open {
		o.state.open[open.Producer] = open
	}
}

// before checks for missing records before the first segment.
func (o *opening) before(base int64) {
	m := &o.p.meta
	if m.Start < 0 {
		m.Start = base
	}
	if base > m.Start {
		o.missing(Finding{Kind: Missing, File: o.set.Directory, First: m.Start, Next: base, Done: "the log begins after them"})
	}
}

// between checks for missing records between two segments.
func (o *opening) between(last *segment, base int64) {
	if base > last.next {
		o.missing(Finding{Kind: Missing, File: o.set.Directory, First: last.next, Next: base, After: last.maxTime, Done: "readers continue after them"})
	}
}

// report records the findings of reading a segment.
func (o *opening) report(base int64, s *scanned) {
	name := o.name(segmentName(base))
	for _, g := range s.gaps {
		f := Finding{Kind: Damaged, File: name, First: g.first, Next: g.next, Bytes: g.bytes, After: g.after, Before: g.before, Done: "readers continue after them"}
		if g.missing {
			f.Kind, f.Done = Missing, "the log continues after them"
		}
		o.missing(f)
	}
	if s.torn > 0 {
		o.find(Finding{Kind: Torn, File: name, First: s.next, Next: s.next, Bytes: s.torn, Done: "they are cut off"})
	}
}

// missing records offsets that can't be read, unless they are already known.
func (o *opening) missing(f Finding) {
	m := &o.p.meta
	f.First = max(f.First, m.Start)
	for _, g := range m.Gaps {
		if g.First <= f.First && f.Next <= g.Next {
			return
		}
	}
	if f.First >= f.Next {
		return
	}
	o.find(f)
	m.Gaps = append(m.Gaps, f)
	if n := len(m.Gaps) - maxGaps; n > 0 {
		m.Gaps = slices.Delete(m.Gaps, 0, n)
	}
}
