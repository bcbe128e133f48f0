package tables

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/footer"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
	"github.com/penstockhq/penstock/internal/lakestore"
)

const (
	// recentHours before now, and the next one, are looked at in every round: what the exporters write now. The rest waits for a round over all.
	recentHours = 3
	// maxFiles bounds the files of one commit, some 5 KB each, but for those of one partition, which are never divided.
	maxFiles = 1000
	// maxRefused bounds the names that are remembered because the table can't have them.
	maxRefused = 1000
	// commitTries bounds how often all is looked at again because another gateway's commit came first.
	commitTries = 5
)

// Follower keeps the table of one signal in step with the lake. It has no state that a new one could not find out: a process that dies loses nothing.
// It is safe for concurrent use.
type Follower struct {
	store  lakestore.Store
	signal string

	mu      sync.Mutex // guards what follows
	table   *iceberg.Table
	version int                          // of the table, that inStep is about
	inStep  map[string]uint64            // by partition: what was listed when the table had all of it
	refused map[string]int64             // names of files that the table can't have, with their sizes
	changes map[string]*lakestore.Change // by path: of the partitions that were looked at last
	seed    maphash.Seed
}

// NewFollower returns a follower of a signal. It reads nothing.
func NewFollower(store lakestore.Store, table *iceberg.Table, signal string) *Follower {
	return &Follower{store: store, table: table, signal: signal, inStep: map[string]uint64{}, refused: map[string]int64{}, changes: map[string]*lakestore.Change{}, seed: maphash.MakeSeed()}
}

// Report says what a round has done.
type Report struct {
	Commits, Added, Removed, Collected int
	// Refused are the files that the table can't have, by name, when they are met for the first time.
	Refused map[string]error
	// NotCollected is why files of the metadata that nothing refers to could not be removed.
	NotCollected error
}

// Round brings the table in step with the partitions around now, or with all of them.
func (f *Follower) Round(ctx context.Context, now time.Time, all bool) (Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := Report{Refused: map[string]error{}}
	seen := map[string]*lakestore.Change{}
	defer func() { f.changes = seen }()
	err := f.attempt(ctx, &r, func(b *batch) error {
		if all {
			return f.everything(ctx, seen, b)
		}
		return f.recent(ctx, now, seen, b)
	})
	return r, err
}

// attempt commits what look finds, and lets it look again when another gateway's commit came first.
func (f *Follower) attempt(ctx context.Context, r *Report, look func(*batch) error) error {
	for try := 1; ; try++ {
		v, err := f.load(ctx)
		if err != nil {
			return err
		}
		b := &batch{f: f, r: r, v: v}
		if err = look(b); err == nil {
			err = b.commit(ctx)
		}
		if !errors.Is(err, iceberg.ErrLost) || try == commitTries {
			return err
		}
	}
}

// recent looks at the hours around now.
func (f *Follower) recent(ctx context.Context, now time.Time, seen map[string]*lakestore.Change, b *batch) error {
	hour := now.UTC().Truncate(time.Hour)
	var dirs []string
	var files []lakestore.File
	for h := -recentHours; h <= 1; h++ {
		dir := path.Dir(lakestore.PartitionDir(f.signal, hour.Add(time.Duration(h)*time.Hour), "x"))
		err := f.store.List(ctx, dir, func(file lakestore.File) error {
			files = append(files, file)
			return nil
		})
		if err != nil {
			return err
		}
		dirs = append(dirs, dir)
	}
	return f.bring(ctx, dirs, files, hours{from: hourOf(hour) - recentHours, to: hourOf(hour) + 1}, seen, b)
}

// everything goes through the lake hour by hour, in the order of the listing, and holds the files of one at a time.
func (f *Follower) everything(ctx context.Context, seen map[string]*lakestore.Change, b *batch) error {
	next, dir := int32(math.MinInt32), ""
	var files []lakestore.File
	flush := func(to int32) error {
		var dirs []string
		if dir != "" {
			dirs = []string{dir}
		}
		err := f.bring(ctx, dirs, files, hours{from: next, to: to}, seen, b)
		next, files = to+1, nil
		clear(seen) // of the last hour; they are read again when something has changed
		return err
	}
	err := f.store.List(ctx, f.signal, func(file lakestore.File) error {
		of := path.Dir(path.Dir(file.Path))
		if _, ok := lakestore.ParsePartition(path.Dir(file.Path)); !ok {
			return nil
		}
		if dir != "" && of != dir {
			if err := flush(hourOfDir(path.Join(dir, "tenant=x"))); err != nil {
				return err
			}
		}
		dir, files = of, append(files, file)
		return nil
	})
	if err != nil {
		return err
	}
	return flush(math.MaxInt32 - 1)
}

type hours struct {
	from, to int32
	within   string // a partition; empty: all
}

func hourOf(t time.Time) int32 { return int32(t.Unix() / 3600) }

// partition is what lies in one directory.
type partition struct {
	dir     string
	hour    int32
	files   []lakestore.File
	changes []lakestore.File // their documents
}

// bring makes the table have what lies in the directories of some hours, whose files were listed. What the table has of hours that have no directory is gone.
func (f *Follower) bring(ctx context.Context, dirs []string, files []lakestore.File, of hours, seen map[string]*lakestore.Change, b *batch) error {
	partitions, err := f.partitions(ctx, dirs, files)
	if err != nil {
		return err
	}
	has := map[string]map[string]iceberg.Known{} // by directory, by name
	err = f.table.Files(ctx, b.v, of.from, of.to, func(k iceberg.Known) {
		d := path.Dir(k.Name)
		if hour := hourOfDir(d); hour < of.from || hour > of.to || of.within != "" && d != of.within {
			return
		}
		if has[d] == nil {
			has[d] = map[string]iceberg.Known{}
		}
		has[d][k.Name] = k
		if partitions[d] == nil {
			partitions[d] = &partition{dir: d, hour: hourOfDir(d)}
		}
	})
	if err != nil {
		return err
	}
	for _, d := range slices.Sorted(maps.Keys(partitions)) {
		p := partitions[d]
		print := f.print(p)
		if f.inStep[d] == print && print != 0 {
			continue
		}
		if err := b.add(ctx, p, has[d], seen, print); err != nil {
			return err
		}
	}
	return nil
}

// load returns the newest version of the table. What another gateway has done can be about any partition.
func (f *Follower) load(ctx context.Context) (*iceberg.Version, error) {
	v, err := f.table.Load(ctx)
	if err == nil && v.N != f.version {
		clear(f.inStep)
		f.version = v.N
	}
	return v, err
}

// partitions divides the files of some hours, and reads which changes there are: after the files were listed, as lakestore.Live wants it.
func (f *Follower) partitions(ctx context.Context, dirs []string, files []lakestore.File) (map[string]*partition, error) {
	all := map[string]*partition{}
	at := func(d string) *partition {
		if all[d] == nil {
			all[d] = &partition{dir: d, hour: hourOfDir(d)}
		}
		return all[d]
	}
	for _, file := range files {
		if path.Ext(file.Path) == lakestore.Extension {
			p := at(path.Dir(file.Path))
			p.files = append(p.files, file)
		}
	}
	for _, dir := range dirs {
		err := f.store.List(ctx, path.Join(lakestore.ChangesDir, dir), func(file lakestore.File) error {
			d := lakestore.PartitionOf(file.Path)
			if _, ok := lakestore.ParsePartition(d); ok && path.Ext(file.Path) == ".json" {
				p := at(d)
				p.changes = append(p.changes, file)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func hourOfDir(dir string) int32 {
	p, _ := lakestore.ParsePartition(dir)
	return hourOf(p.Hour)
}

// print is a fingerprint of what was listed of a partition; 0 if that is nothing.
func (f *Follower) print(p *partition) uint64 {
	if len(p.files) == 0 {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(f.seed)
	for _, file := range p.files {
		fmt.Fprintf(&h, "%s %d\n", file.Path, file.Bytes)
	}
	for _, c := range p.changes {
		fmt.Fprintf(&h, "%s %d\n", c.Path, c.Modified.UnixNano())
	}
	return h.Sum64()
}

// live returns which files of a partition a reader should read, which ones merges have added and removed, and which ones retention has removed.
func (f *Follower) live(ctx context.Context, p *partition, seen map[string]*lakestore.Change) (live []lakestore.File, merged, dropped map[string]bool, err error) {
	var changes []lakestore.Change
	merged, dropped = map[string]bool{}, map[string]bool{}
	for _, document := range p.changes {
		// A partition that retention has dropped begins anew, with changes of the same names.
		key := fmt.Sprintf("%s %d", document.Path, document.Modified.UnixNano())
		c, ok := f.changes[key]
		if !ok {
			read, err := lakestore.ReadChange(ctx, f.store, document.Path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // retention has just dropped the partition
			}
			if err != nil {
				return nil, nil, nil, err
			}
			c = &read
		}
		seen[key] = c
		changes = append(changes, *c)
		of := merged
		if len(c.Add) == 0 {
			of = dropped
		}
		for _, file := range slices.Concat(c.Add, c.Remove) {
			of[file.Path] = true
		}
	}
	live, _ = lakestore.Live(p.files, changes)
	return live, merged, dropped, nil
}

// dataFile reads the footer of a file.
func (f *Follower) dataFile(ctx context.Context, file lakestore.File, hour int32) (iceberg.File, error) {
	d := iceberg.File{Name: file.Path, Bytes: file.Bytes, Hour: hour}
	for n := int64(footer.Tail); ; {
		tail, err := f.store.Tail(ctx, file.Path, n)
		if err != nil {
			return d, err
		}
		var small *footer.ErrSmall
		if err = footer.Read(tail, &d); !errors.As(err, &small) {
			return d, err
		}
		n = small.Need
	}
}

// gone says whether a file that was not listed is not there. On some file systems a listing can miss a file that is replaced meanwhile.
func (f *Follower) gone(ctx context.Context, name string) (bool, error) {
	_, err := f.store.Tail(ctx, name, 1)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return false, err
}

// refuse remembers a file that the table can't have, and reports it once.
func (f *Follower) refuse(name string, size int64, err error, r *Report) {
	if len(f.refused) >= maxRefused {
		clear(f.refused)
	}
	f.refused[name] = size
	r.Refused[name] = err
}
