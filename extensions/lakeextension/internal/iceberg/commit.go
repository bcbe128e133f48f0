package iceberg

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
)

// Change is what a commit does, all of it or nothing.
type Change struct {
	// Add are files that the table gets. One whose name it has already is taken for the same file if it has the same size, else it replaces that one.
	Add []File
	// Remove are names of files that the table lets go of, with the hour of their directory.
	Remove []Removal
	// Replace says that the rows of Add are those of Remove: a compaction.
	Replace bool
	// Summary is written into the snapshot.
	Summary map[string]string
}

// Removal names a file.
type Removal struct {
	Name string // below the lake's root
	Hour int32
}

// Result says what a commit has done.
type Result struct {
	Added, Removed int
	// Refused are the files of Add that the table can't have, by name.
	Refused map[string]error
	// Collected is the number of files of the metadata directory that were removed because no version refers to them; NotCollected is why others were not.
	Collected    int
	NotCollected error
}

// Commit makes the next version out of v, and returns it, or v if there is nothing to do. After any error the change may have been made or
// not: load the table, and commit again. After ErrLost nothing was made by this call, as far as it could see.
func (t *Table) Commit(ctx context.Context, v *Version, change Change) (*Version, Result, error) {
	c := &commit{t: t, base: v, meta: v.meta.clone(), parent: v.meta.CurrentSnapshotID, sequence: v.meta.LastSequenceNumber + 1, id: snapshotID(), summary: maps.Clone(change.Summary)}
	if err := c.plan(ctx, change); err != nil {
		return nil, c.result, err
	}
	if len(c.adds) == 0 && len(c.removes) == 0 {
		return v, c.result, nil
	}
	if err := c.write(ctx, change.Replace); err != nil {
		return nil, c.result, err
	}
	next, err := c.publish(ctx)
	if err != nil {
		return nil, c.result, err
	}
	c.result.Added, c.result.Removed = len(c.adds), len(c.removes)
	c.result.Collected, c.result.NotCollected = t.collect(ctx, v.listing, next)
	return next, c.result, nil
}

// commit is a version in the making.
type commit struct {
	t        *Table
	base     *Version
	meta     *Metadata
	parent   *int64
	sequence int64
	id       int64
	summary  map[string]string

	adds      []File
	removes   map[string]struct{} // names
	rewrites  map[string]struct{} // paths of manifests that have some of removes
	manifests []Manifest          // of the new snapshot
	made      int                 // manifests written
	counts    counts
	result    Result
}

type counts struct{ addedRows, addedBytes, removedRows, removedBytes int64 }

func snapshotID() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return int64(binary.LittleEndian.Uint64(b[:])&math.MaxInt64) | 1
}

// plan finds out what of the change is still to do.
func (c *commit) plan(ctx context.Context, change Change) error {
	from, to := int32(math.MaxInt32), int32(math.MinInt32)
	add := map[string]File{}
	for _, f := range change.Add {
		if err := c.meta.addColumns(f.Columns); err != nil {
			if c.result.Refused == nil {
				c.result.Refused = map[string]error{}
			}
			c.result.Refused[f.Name] = err
			continue
		}
		add[f.Name] = f
		from, to = min(from, f.Hour), max(to, f.Hour)
	}
	remove := map[string]struct{}{}
	for _, r := range change.Remove {
		remove[r.Name] = struct{}{}
		from, to = min(from, r.Hour), max(to, r.Hour)
	}
	c.removes, c.rewrites = map[string]struct{}{}, map[string]struct{}{}
	err := c.t.indices(ctx, c.base, from, to, func(m Manifest, files []Known) {
		for _, k := range files {
			f, again := add[k.Name]
			_, gone := remove[k.Name]
			switch {
			case again && !gone && f.Bytes == k.Bytes:
				delete(add, k.Name)
			case again || gone:
				c.removes[k.Name] = struct{}{}
				c.rewrites[m.Path] = struct{}{}
			}
		}
	})
	for _, name := range slices.Sorted(maps.Keys(add)) {
		c.adds = append(c.adds, add[name])
	}
	return err
}

// write makes the manifests and their list, and adds the snapshot to the metadata.
func (c *commit) write(ctx context.Context, replace bool) error {
	var kept []Manifest
	for _, m := range c.base.manifests {
		if m.live() == 0 {
			continue // its removals were those of an older snapshot
		}
		if _, ok := c.rewrites[m.Path]; !ok {
			kept = append(kept, m)
			continue
		}
		if err := c.rewrite(ctx, m); err != nil {
			return err
		}
	}
	kept, err := c.merge(ctx, kept)
	if err != nil {
		return err
	}
	if err := c.add(ctx); err != nil {
		return err
	}
	c.manifests = append(c.manifests, kept...)
	content, err := encodeList(c.manifests, c.id, c.parent, c.sequence)
	if err != nil {
		return err
	}
	list := path.Join(c.t.dir, "snap-"+c.t.s.UUID()+".avro")
	if err := c.create(ctx, list, content); err != nil {
		return err
	}
	c.snapshot(c.t.uri(list), replace)
	return nil
}

// rewrite makes of m a manifest that says of some of its files that they are gone.
func (c *commit) rewrite(ctx context.Context, m Manifest) error {
	entries, err := c.t.entries(ctx, m)
	if err != nil {
		return err
	}
	live := entries[:0]
	for _, e := range entries {
		if e.Status == deleted {
			continue
		}
		name, err := c.t.name(e.File.Path)
		if err != nil {
			return err
		}
		e.Status = existing
		if _, gone := c.removes[name]; gone {
			e.Status, e.SnapshotID = deleted, &c.id
			c.counts.removedRows += e.File.Rows
			c.counts.removedBytes += e.File.Bytes
		}
		live = append(live, e)
	}
	return c.put(ctx, live, int(m.SpecID))
}

// add makes manifests of the new files.
func (c *commit) add(ctx context.Context) error {
	columns := c.meta.Schema().Fields
	bySpec := [2][]Entry{}
	for _, f := range c.adds {
		file, spec := f.dataFile(c.t.uri(f.Name), columns)
		bySpec[spec] = append(bySpec[spec], Entry{Status: added, SnapshotID: &c.id, File: file})
		c.counts.addedRows += f.Rows
		c.counts.addedBytes += f.Bytes
	}
	for spec, entries := range bySpec {
		if len(entries) == 0 {
			continue
		}
		slices.SortFunc(entries, byPartition)
		if err := c.put(ctx, entries, spec); err != nil {
			return err
		}
	}
	return nil
}

// put writes a manifest, which becomes one of the new snapshot.
func (c *commit) put(ctx context.Context, entries []Entry, spec int) error {
	content, m, err := encodeManifest(entries, spec, c.meta.Schema())
	if err != nil {
		return err
	}
	name := path.Join(c.t.dir, fmt.Sprintf("%s-m%d.avro", c.t.s.UUID(), c.made))
	c.made++
	if err := c.create(ctx, name, content); err != nil {
		return err
	}
	m.Path, m.Sequence, m.SnapshotID = c.t.uri(name), c.sequence, c.id
	if m.MinSequence < 0 {
		m.MinSequence = c.sequence
	}
	c.manifests = append(c.manifests, m)
	return nil
}

// create makes a file whose name nobody else has: one that is there was made by an earlier attempt whose answer was lost.
func (c *commit) create(ctx context.Context, name string, content []byte) error {
	if err := c.t.s.Store.Create(ctx, name, content); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// snapshot adds the snapshot to the metadata, and lets go of old ones.
func (c *commit) snapshot(list string, replace bool) {
	m, now := c.meta, max(c.t.s.Now().UnixMilli(), c.meta.LastUpdated+1)
	var previous map[string]string
	if s := m.Snapshot(); s != nil {
		previous = s.Summary
	}
	if c.base.N > 0 {
		m.MetadataLog = append(m.MetadataLog, MetadataLog{max(m.LastUpdated, 1), c.t.uri(c.base.Name)})
		m.MetadataLog = m.MetadataLog[max(0, len(m.MetadataLog)-maxVersions):]
	}
	m.LastUpdated, m.LastSequenceNumber, m.CurrentSnapshotID = now, c.sequence, &c.id
	m.Snapshots = append(m.Snapshots, Snapshot{
		ID: c.id, ParentID: c.parent, SequenceNumber: c.sequence, Timestamp: now, ManifestList: list, SchemaID: m.CurrentSchemaID,
		Summary: c.summarize(previous, replace),
	})
	m.SnapshotLog = append(m.SnapshotLog, SnapshotLog{now, c.id})
	m.Refs[mainBranch] = Ref{c.id, "branch"}
	expire(m, now-c.t.s.Keep.Milliseconds())
}

// expire lets go of the snapshots that another one has followed before a time, of the oldest of too many, and of schemas that none of them has.
func expire(m *Metadata, before int64) {
	first := max(0, len(m.Snapshots)-maxSnapshots)
	for first+1 < len(m.Snapshots) && m.Snapshots[first+1].Timestamp < before {
		first++
	}
	m.Snapshots = m.Snapshots[first:]
	has := func(id int64) bool {
		return slices.ContainsFunc(m.Snapshots, func(s Snapshot) bool { return s.ID == id })
	}
	m.SnapshotLog = slices.DeleteFunc(m.SnapshotLog, func(l SnapshotLog) bool { return !has(l.SnapshotID) })
	m.Schemas = slices.DeleteFunc(m.Schemas, func(s Schema) bool {
		return s.ID != m.CurrentSchemaID && !slices.ContainsFunc(m.Snapshots, func(of Snapshot) bool { return of.SchemaID == s.ID })
	})
}

func (c *commit) summarize(previous map[string]string, replace bool) map[string]string {
	operation := "append"
	switch {
	case len(c.removes) == 0:
	case len(c.adds) == 0:
		operation = "delete"
	case replace:
		operation = "replace"
	default:
		operation = "overwrite"
	}
	files, rows := 0, int64(0)
	for _, m := range c.manifests {
		files += m.live()
		rows += m.AddedRows + m.ExistingRows
	}
	before, _ := strconv.ParseInt(previous["total-files-size"], 10, 64)
	all := map[string]string{"operation": operation}
	for key, n := range map[string]int64{
		"added-data-files": int64(len(c.adds)), "added-records": c.counts.addedRows, "added-files-size": c.counts.addedBytes,
		"deleted-data-files": int64(len(c.removes)), "deleted-records": c.counts.removedRows, "removed-files-size": c.counts.removedBytes,
		"total-data-files": int64(files), "total-records": rows, "total-files-size": before + c.counts.addedBytes - c.counts.removedBytes,
		"total-delete-files": 0, "total-position-deletes": 0, "total-equality-deletes": 0,
	} {
		all[key] = strconv.FormatInt(n, 10)
	}
	maps.Copy(all, c.summary)
	return all
}

// publish creates the version, which makes the change.
func (c *commit) publish(ctx context.Context) (*Version, error) {
	content, err := json.Marshal(c.meta)
	if err != nil {
		return nil, err
	}
	next := &Version{N: c.base.N + 1, Name: versionName(c.t.dir, c.base.N+1), Content: content, meta: c.meta, manifests: c.manifests}
	if err := c.t.s.Store.Create(ctx, next.Name, content); errors.Is(err, fs.ErrExist) {
		there, err := c.t.s.Store.Read(ctx, next.Name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if !bytes.Equal(there, content) { // else the answer to an earlier attempt was lost
			return nil, ErrLost
		}
	} else if err != nil {
		return nil, err
	}
	return next, c.verify(ctx, next)
}

// verify makes sure that next is in the line of versions. The name of a version can be free because it was removed long ago: then a committer that was
// suspended has made a version that nobody will ever read.
func (c *commit) verify(ctx context.Context, next *Version) error {
	newest, err := c.t.newest(ctx)
	if err != nil {
		return err
	}
	next.listing = newest.listing
	if newest.N == next.N {
		return nil
	}
	if err := c.t.read(ctx, newest); err != nil {
		return err
	}
	if !slices.ContainsFunc(newest.meta.MetadataLog, func(l MetadataLog) bool { return l.File == c.t.uri(next.Name) }) {
		return ErrLost
	}
	return nil
}
