package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/columnar"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// sortedBy are the columns that the exporter sorts files by; logs and spans have no metric_name.
var sortedBy = []string{"service_name", "metric_name", "time"}

// mergeSettings say how a group becomes one file.
type mergeSettings struct {
	level   int
	reason  string
	now     time.Time
	keep    *columnar.Filter
	dropped []string
}

// input is an open file.
type input struct {
	file   lakestore.File
	reader lakestore.Reader
	source *columnar.Source
}

var errNoRows = errors.New("no row stays")

// merge writes the rows of a group into one file, and lets it take their place. Files that don't fit into memory together are left to the next merge.
func (k *Keeper) merge(ctx context.Context, p *partition, group []lakestore.File, set mergeSettings) (err error) {
	inputs, err := k.open(ctx, group)
	defer func() {
		for _, in := range inputs {
			err = errors.Join(err, in.reader.Close())
		}
	}()
	if err != nil {
		return err
	}
	if len(inputs) < min(2, len(group)) {
		return nil // the others are damaged
	}
	c := lakestore.Change{Partition: p.dir, Sequence: p.last + 1, Epoch: k.epoch(), Reason: set.reason, Dropped: set.dropped}
	if len(inputs) == 1 && set.reason == "merge" {
		c.Reason = "recompress"
	}
	rows := int64(0)
	for _, in := range inputs {
		f := in.file
		f.Rows = in.source.Rows()
		rows += f.Rows
		c.Remove = append(c.Remove, f)
	}
	name := nameOf(c.Sequence, c.Epoch, set.level)
	m, written, err := k.write(ctx, p, name, inputs, set)
	switch {
	case errors.Is(err, errNoRows):
	case err != nil:
		return err
	default:
		youngest := slices.MaxFunc(c.Remove, func(a, b lakestore.File) int { return a.Modified.Compare(b.Modified) }).Modified
		c.Add = []lakestore.File{{Path: path.Join(p.dir, path.Base(written.Path)), Bytes: written.Bytes, Rows: m.Rows, Modified: youngest}}
	}
	if m.Rows+m.Left != rows {
		return fmt.Errorf("%s: %d rows became %d, and %d were left out", p.dir, rows, m.Rows, m.Left)
	}
	return k.commit(ctx, p, c, set.now)
}

// open opens as many files of a group as fit into memory. A damaged one is remembered and left out.
func (k *Keeper) open(ctx context.Context, group []lakestore.File) (inputs []input, err error) {
	memory := int64(0)
	for _, f := range group {
		r, err := k.store.Open(ctx, f.Path)
		if err != nil {
			return inputs, err
		}
		s, err := columnar.OpenSource(r, r.Size())
		if err != nil {
			if err := r.Close(); err != nil {
				return inputs, err
			}
			k.exclude(f, "damaged", err)
			continue
		}
		if memory += s.Memory(); len(inputs) > 1 && memory > k.set.Memory {
			return inputs, r.Close()
		}
		inputs = append(inputs, input{f, r, s})
	}
	return inputs, nil
}

// exclude leaves a file as it is, until the next start.
func (k *Keeper) exclude(f lakestore.File, reason string, err error) {
	if len(k.bad) >= maxCached {
		clear(k.bad)
	}
	k.bad[f.Path] = reason
	k.events.Failed(lakestore.PartitionOf(f.Path), reason, fmt.Errorf("%s: %w", f.Path, err))
}

// write makes the staged file.
func (k *Keeper) write(ctx context.Context, p *partition, name string, inputs []input, set mergeSettings) (m columnar.Merged, w lakestore.Written, err error) {
	version, tenant := 0, inputs[0].source.Metadata("penstock.tenant")
	for _, in := range inputs {
		_, v, _ := strings.Cut(in.source.Metadata("penstock.schema"), "/")
		n, _ := strconv.Atoi(v)
		version = max(version, n)
	}
	var storage error
	w, err = k.store.Write(ctx, path.Dir(lakestore.StagedPath(p.dir+"/x")), name, func(to io.Writer) (err error) {
		to = &watched{to, &storage}
		m, err = k.mergeFiles(to, inputs, set.dropped, columnar.MergeSettings{
			SortedBy: sortedBy, Level: set.level, Keep: set.keep,
			CreatedBy: fmt.Sprintf("penstock version %d.0.0", version),
			Metadata:  map[string]string{"penstock.schema": fmt.Sprintf("%s/%d", p.signal, version), "penstock.tenant": tenant},
		})
		if err == nil && m.Rows == 0 {
			err = errNoRows
		}
		return err
	})
	var io *lakestore.IOError
	if err != nil && !errors.Is(err, errNoRows) && !errors.As(err, &io) && storage == nil && ctx.Err() == nil {
		for _, in := range inputs {
			k.exclude(in.file, "incompatible", err)
		}
	}
	return m, w, err
}

// mergeInputs is columnar.Merge.
func mergeInputs(w io.Writer, inputs []input, _ []string, set columnar.MergeSettings) (columnar.Merged, error) {
	sources := make([]*columnar.Source, len(inputs))
	for i, in := range inputs {
		sources[i] = in.source
	}
	return columnar.Merge(w, sources, set)
}

// watched remembers that the storage failed, whatever the encoder makes of it.
type watched struct {
	io.Writer
	err *error
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		*w.err = err
	}
	return n, err
}

// record makes a change.
func (k *Keeper) record(ctx context.Context, p *partition, c lakestore.Change, now time.Time) (lakestore.Change, error) {
	c.Committed = now.UTC()
	if c.Add == nil {
		c.Add = []lakestore.File{} // for SQL, null is no list
	}
	content, err := json.Marshal(c)
	if err != nil {
		return c, err
	}
	if err := k.held(); err != nil {
		return c, err
	}
	made, err := k.store.Create(ctx, lakestore.ChangePath(p.dir, c.Sequence), content)
	if err != nil {
		return c, err
	}
	if !made {
		return c, errRaced // what is staged goes in the next pass
	}
	p.last = c.Sequence
	return c, nil
}

// commit makes a change, and completes it.
func (k *Keeper) commit(ctx context.Context, p *partition, c lakestore.Change, now time.Time) error {
	c, err := k.record(ctx, p, c, now)
	if err != nil {
		return err
	}
	for _, f := range c.Add {
		if err := k.held(); err != nil {
			return err
		}
		if err := k.store.Move(ctx, lakestore.StagedPath(f.Path), f.Path); err != nil {
			return err
		}
	}
	changes, err := k.load(ctx, p)
	if err != nil {
		return err
	}
	p.files = append(p.files, c.Add...)
	if _, err := k.settle(ctx, p, changes, now); err != nil {
		return err
	}
	k.events.Changed(p.signal, c)
	return nil
}

// strip leaves rows out that are too old, where others of their partition stay.
func (k *Keeper) strip(ctx context.Context, p *partition, classes []class, names []string, age time.Duration, changes []lakestore.Change, now time.Time) error {
	without := map[string]bool{}
	for _, c := range changes {
		if slices.Equal(c.Dropped, names) {
			for _, f := range c.Add {
				without[f.Path] = true
			}
		}
	}
	filter := &columnar.Filter{Map: "attributes", Key: Rollup, Keep: func(window string) bool { return keeps(classes, age, window) }}
	for {
		var group []lakestore.File
		size := int64(0)
		for _, f := range k.mergeable(p.files) {
			if !without[f.Path] && (len(group) == 0 || size+f.Bytes <= k.set.Target) && len(group) < mostFiles {
				group = append(group, f)
				size += f.Bytes
			}
		}
		if len(group) == 0 {
			return nil
		}
		before := p.last
		if err := k.merge(ctx, p, group, mergeSettings{level: k.set.Level, reason: "retention", now: now, keep: filter, dropped: names}); err != nil {
			return err
		}
		for n := before + 1; n <= p.last; n++ {
			for _, f := range k.changes[lakestore.ChangePath(p.dir, n)].Add {
				without[f.Path] = true
			}
		}
	}
}
