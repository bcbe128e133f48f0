package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/penstockhq/penstock/internal/command/internal/repair"
	"github.com/penstockhq/penstock/internal/durable"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// The rows of a merged file that was lost are restored like those of a range (refill.go): repair writes a configuration with one job for each contiguous range
// of the files that were merged, and beside it the change that replaces these files by what the jobs write. When all rows are there, repair commits the
// change. So a range of the journal that is delivered again adds nothing, and tables take the new files over as those of a merge.

// refillReason is the reason of such a change.
const refillReason = "refill"

// rel is a path below the root, with slashes.
func (l *lake) rel(path string) string {
	rel, err := filepath.Rel(l.set.Root, path)
	if err != nil {
		rel = path
	}
	return filepath.ToSlash(rel)
}

// readChanges reads what compaction has done. A document that can't be read is a finding.
func (l *lake) readChanges(ctx context.Context) (found []repair.Finding, err error) {
	l.changes = map[string][]lakestore.Change{}
	root := filepath.Join(l.set.Root, lakestore.ChangesDir)
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil || d.IsDir() || filepath.Ext(p) != ".json" {
			return err
		}
		content, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		var c lakestore.Change
		if err := json.Unmarshal(content, &c); err != nil {
			found = append(found, repair.Finding{Path: p, Damage: fmt.Sprintf("it can't be read: %v", err), Lost: "the names of the files that compaction merged into one",
				Follows: "the rows are there, but compaction leaves this directory as it is until the document is whole again: copy it from a backup"})
			return nil
		}
		l.changes[c.Partition] = append(l.changes[c.Partition], c)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return found, err
}

// merged says whether compaction wrote a file.
func (l *lake) merged(rel string) bool {
	d := directory{changes: l.changes[path.Dir(rel)]}
	return d.mergedBy(rel) != nil
}

// lost returns the findings about merged files: damaged ones, by path below the root, and missing ones.
func (l *lake) lost(paths []string, damaged map[string]string) (found []repair.Finding, err error) {
	dirs := map[string]*directory{}
	for at, changes := range l.changes {
		dirs[at] = &directory{changes: changes}
	}
	for _, p := range paths {
		if rel := l.rel(p); dirs[path.Dir(rel)] != nil {
			d := dirs[path.Dir(rel)]
			d.files = append(d.files, lakestore.File{Path: rel})
		}
	}
	reported := map[string]bool{}
	for _, at := range sortedKeys(dirs) {
		d := dirs[at]
		for kind, names := range map[string]*[]string{lakestore.StagingDir: &d.staged, damagedDir: &d.aside} {
			under := filepath.Join(l.set.Root, kind)
			files, err := sorted(filepath.Join(under, filepath.FromSlash(at), "*"))
			if err != nil {
				return nil, err
			}
			for _, f := range files {
				if rel, err := filepath.Rel(under, f); err == nil {
					*names = append(*names, filepath.ToSlash(rel))
				}
			}
		}
		for _, lost := range d.lost(damaged, l.generations) {
			reported[lost.Path] = true
			if _, err := os.Stat(l.refillOf(lost.Path) + ".json"); err == nil && lost.Damage == "" {
				continue // set aside earlier
			}
			found = append(found, l.lostMerged(d, lost))
		}
	}
	for _, rel := range sortedKeys(damaged) {
		if reported[rel] {
			continue
		}
		full := filepath.Join(l.set.Root, filepath.FromSlash(rel))
		found = append(found, repair.Finding{Path: full, Damage: damaged[rel], Lost: "nothing: other files have its rows", Action: "move it to " + l.asideOf(rel),
			Follows: "queries work again, with all rows", Repair: func(context.Context) (string, error) { return l.setAside(full, rel) }})
	}
	return found, nil
}

func (l *lake) asideOf(rel string) string {
	return filepath.Join(l.set.Root, damagedDir, filepath.Dir(rel))
}

// refillOf is where the rows of a merged file are restored; with .yaml and .json, the jobs and the change.
func (l *lake) refillOf(merged string) string {
	return filepath.Join(l.set.Root, refillDir, "merged-"+shortSum(merged))
}

func shortSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// lostMerged is the finding about one merged file.
func (l *lake) lostMerged(d *directory, lost Lost) repair.Finding {
	full, ranges := filepath.Join(l.set.Root, filepath.FromSlash(lost.Path)), lost.parts()
	f := repair.Finding{Path: full, Damage: lost.Damage, Lost: lost.String()}
	without := "queries work again, without these rows. "
	if lost.Damage == "" {
		f.Damage, without = "it is missing, and so are the files that compaction merged into it", ""
	} else {
		f.Action = "move it to " + l.asideOf(lost.Path)
	}
	if len(ranges) == 0 {
		f.Follows = without + "No range of a journal restores them"
		if lost.Damage != "" {
			f.Repair = func(context.Context) (string, error) { return l.setAside(full, lost.Path) }
		}
		return f
	}
	base := l.refillOf(lost.Path)
	id := "refill_" + strings.TrimPrefix(filepath.Base(base), "merged-")
	write := "write " + base + ".yaml"
	if f.Action != "" {
		write = f.Action + ", and " + write
	}
	f.Action = fmt.Sprintf("%s (%d jobs)", write, len(ranges))
	f.Follows = without + howToRefill(base+".yaml", id, len(receiversOf(ranges)))
	f.Repair = func(context.Context) (done string, err error) {
		if err := l.writeRefill(filepath.Base(base), id, lost.String(), ranges); err != nil {
			return "", err
		}
		content, err := json.Marshal(lost.change(d))
		if err != nil {
			return "", err
		}
		if err := durable.WriteFile(base+".json", content, 0o600); err != nil {
			return "", err
		}
		done = "wrote " + base + ".yaml"
		if lost.Damage != "" {
			aside, err := l.setAside(full, lost.Path)
			return aside + "; " + done, err
		}
		return done, nil
	}
	return f
}

// change replaces the files whose rows ranges restore. Rows are set for these only.
func (l *Lost) change(d *directory) lakestore.Change {
	c := lakestore.Change{Partition: path.Dir(l.Path), Reason: refillReason}
	for _, f := range l.Files {
		if l.restores(f) {
			c.Remove = append(c.Remove, f)
		}
	}
	_, merged := d.leaves(lakestore.File{Path: l.Path})
	c.Remove = append(c.Remove, merged...)
	return c
}

// restored finds the merged files whose rows jobs have written again, and proposes to take them over.
func (l *lake) restored() (found []repair.Finding, err error) {
	records, err := sorted(filepath.Join(l.set.Root, refillDir, "merged-*.json"))
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		content, err := os.ReadFile(record)
		if err != nil {
			return nil, err
		}
		var c lakestore.Change
		if err := json.Unmarshal(content, &c); err != nil || len(c.Remove) == 0 {
			return nil, fmt.Errorf("%s: %w", record, errors.Join(err, errors.New("it names no files")))
		}
		f, err := l.restore(strings.TrimSuffix(record, ".json"), c)
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	return found, nil
}

// restore proposes what to do with the rows below from, which replace the files of a change.
func (l *lake) restore(from string, c lakestore.Change) (f repair.Finding, err error) {
	files, err := sorted(filepath.Join(from, filepath.FromSlash(c.Partition), "*"+extension))
	if err != nil {
		return f, err
	}
	if done := l.committed(c); done != nil {
		return repair.Finding{Path: from, Damage: fmt.Sprintf("a repair of lost rows of %s was interrupted behind its commit", c.Partition), Lost: "nothing", Action: "complete it",
			Follows: "the rows are in the lake again", Repair: func(context.Context) (string, error) { return l.place(from, files, *done) }}, nil
	}
	want, rows := int64(0), int64(0)
	for _, r := range c.Remove {
		want += r.Rows
	}
	for _, name := range files {
		text, err := examine(name, true)
		if err == nil && text != "" {
			err = errors.New(text)
		}
		if err != nil {
			return f, fmt.Errorf("%s: %w", name, err)
		}
		info, err := os.Stat(name)
		if err != nil {
			return f, err
		}
		n, err := Dir("").Rows(context.Background(), name)
		if err != nil {
			return f, err
		}
		rows += n
		c.Add = append(c.Add, lakestore.File{Path: name, Bytes: info.Size(), Rows: n, Modified: info.ModTime()})
	}
	_, err = os.Stat(from + ".yaml")
	waits := err == nil
	f = repair.Finding{Path: from, Damage: fmt.Sprintf("lost rows of %s: the journal gave %d of %d again", c.Partition, rows, want), Lost: fmt.Sprintf("%d rows", max(want-rows, 0))}
	switch {
	case rows < want && waits:
		f.Follows = fmt.Sprintf("the rows are not restored yet. While the journal has the offsets: start penstock once with its usual flags and --config %s.yaml after the others, "+
			"wait for its jobs, stop it, and repair again. If the jobs are done and the journal has no more, delete that file and repair again: it takes what is there", from)
	case rows == 0:
		f.Action, f.Follows = "forget them", "the rows stay lost"
		f.Repair = func(context.Context) (string, error) { return "forgot them", l.endRefill(from) }
	default:
		f.Action, f.Follows = fmt.Sprintf("move %d files into the lake", len(files)), "the rows are in the lake again"
		f.Repair = func(context.Context) (string, error) { return l.takeOver(from, files, c) }
	}
	return f, nil
}

// committed returns the change that replaces the files of c, if a repair has committed it.
func (l *lake) committed(c lakestore.Change) *lakestore.Change {
	all := l.changes[c.Partition]
	i := slices.IndexFunc(all, func(o lakestore.Change) bool {
		return o.Reason == refillReason && slices.EqualFunc(o.Remove, c.Remove, samePath)
	})
	if i < 0 {
		return nil
	}
	return &all[i]
}

// takeOver commits a change, gives its files, which lie at sources, their place, and ends the refill.
func (l *lake) takeOver(from string, sources []string, c lakestore.Change) (string, error) {
	c.Sequence = 1
	for _, other := range l.changes[c.Partition] {
		c.Sequence = max(c.Sequence, other.Sequence+1)
	}
	c.Committed, c.Add = l.set.Now.UTC(), inPlace(c.Partition, c.Add, c.Sequence)
	content, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	at := filepath.Join(l.set.Root, filepath.FromSlash(lakestore.ChangePath(c.Partition, c.Sequence)))
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return "", err
	}
	if made, err := durable.Create(at, content, 0o600); err != nil || !made {
		return "", errors.Join(err, fmt.Errorf("%s could not be created", at))
	}
	return l.place(from, sources, c)
}

// place gives the files of a committed change their place, and ends the refill. It can be repeated: where files are missing at sources, an earlier call had
// placed all, and begun to remove them.
func (l *lake) place(from string, sources []string, c lakestore.Change) (string, error) {
	if len(sources) < len(c.Add) {
		return "removed the rest", l.endRefill(from)
	}
	to := filepath.Join(l.set.Root, filepath.FromSlash(c.Partition))
	if err := os.MkdirAll(to, 0o700); err != nil {
		return "", err
	}
	for i, f := range c.Add {
		if err := os.Link(sources[i], filepath.Join(to, path.Base(f.Path))); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	if err := durable.SyncDir(to); err != nil {
		return "", err
	}
	return fmt.Sprintf("moved %d files", len(sources)), l.endRefill(from)
}

// inPlace names the files that a change moves into a partition: by their range, and by the change, because a name that an earlier one has removed stays removed.
func inPlace(partition string, files []lakestore.File, sequence int) (all []lakestore.File) {
	for i, f := range files {
		p, _ := parseName(f.Path)
		mark := ""
		if p.generation > 0 {
			mark = fmt.Sprint("-g", p.generation)
		}
		f.Path = path.Join(partition, fmt.Sprintf("%s%s-%020d-%020d-refilled-%d%04d%s", p.source, mark, p.first, p.next, sequence, i, extension))
		all = append(all, f)
	}
	return all
}

func samePath(a, b lakestore.File) bool { return a.Path == b.Path }

// endRefill removes what a refill has left, its record last.
func (l *lake) endRefill(from string) error {
	err := errors.Join(ignoreNotExist(os.Remove(from+".yaml")), os.RemoveAll(from))
	if err != nil {
		return err
	}
	return os.Remove(from + ".json")
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
