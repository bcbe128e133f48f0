package iceberg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

const (
	// Root is the directory below which the tables of a lake have theirs.
	Root = "_iceberg"
	// maxSnapshots and maxVersions bound the metadata: some 1 KB each in each version.
	maxSnapshots = 128
	maxVersions  = 50
	// loadTries bounds how often a version that another committer removes meanwhile is looked for.
	loadTries = 5
)

// ErrLost says that another committer was faster, or may have been: load the table again, and look what is still to do.
var ErrLost = errors.New("another committer has changed the table")

// Settings are what a table is opened with.
type Settings struct {
	Store Store
	// Name is the table's: logs.
	Name string
	// URI of the lake's root as readers know it, without a slash at its end: file:///var/lib/lake, s3://bucket/prefix.
	URI string
	// Keep is how long a snapshot can be read after the next one. Readers that plan with one and read later need it.
	Keep time.Duration
	// Now tells the time.
	Now func() time.Time
	// UUID makes names that are never used again.
	UUID func() string
}

// Table is one table of a lake. It is not safe for concurrent use; any number of Tables, in any number of processes, may share a directory.
type Table struct {
	s         Settings
	dir       string
	last      *Version              // that was read
	lists     map[string][]Manifest // by name; of the snapshots of the last version
	manifests cache
}

// Open returns a table. It reads nothing.
func Open(s Settings) *Table {
	return &Table{s: s, dir: path.Join(Root, s.Name, "metadata"), lists: map[string][]Manifest{}}
}

// Version is a state of a table.
type Version struct {
	// N is its number; 0: there is no table yet.
	N int
	// Name of its file, below the lake's root.
	Name string
	// Content of that file.
	Content []byte

	meta      *Metadata
	manifests []Manifest
	listing   []Object // of the directory, before anything of this version was read
}

// Metadata is the state; it is not to be changed.
func (v *Version) Metadata() *Metadata { return v.meta }

// Location is where the metadata of a version is, for readers.
func (t *Table) Location(v *Version) string { return t.uri(v.Name) }

func (t *Table) uri(name string) string { return t.s.URI + "/" + name }

// name is what uri has made of it.
func (t *Table) name(uri string) (string, error) {
	name, ok := strings.CutPrefix(uri, t.s.URI+"/")
	if !ok {
		return "", fmt.Errorf("%s is not in the lake %s", uri, t.s.URI)
	}
	return name, nil
}

// Load returns the newest version. The one of a lake that has no table has N 0.
func (t *Table) Load(ctx context.Context) (*Version, error) {
	for try := 1; ; try++ {
		v, err := t.newest(ctx)
		if err == nil && v.N > 0 {
			err = t.read(ctx, v)
		}
		if err == nil {
			return v, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || try == loadTries { // a committer that was faster by many versions has removed it
			return nil, fmt.Errorf("table %s: %w", t.s.Name, err)
		}
	}
}

// newest lists the directory and finds the newest version, whose content is not read.
func (t *Table) newest(ctx context.Context) (*Version, error) {
	v := &Version{meta: newMetadata(t.s.UUID(), t.uri(path.Dir(t.dir)))}
	err := t.s.Store.List(ctx, t.dir, func(o Object) {
		v.listing = append(v.listing, o)
		if n, ok := parseVersion(o.Name); ok && n > v.N {
			v.N, v.Name = n, o.Name
		}
	})
	return v, err
}

func (t *Table) read(ctx context.Context, v *Version) (err error) {
	if t.last != nil && t.last.N == v.N {
		v.Content, v.meta, v.manifests = t.last.Content, t.last.meta, t.last.manifests
		return nil
	}
	defer func() {
		if err == nil {
			t.last = v
		}
	}()
	if v.Content, err = t.s.Store.Read(ctx, v.Name); err != nil {
		return err
	}
	meta := &Metadata{}
	if err := json.Unmarshal(v.Content, meta); err != nil {
		return fmt.Errorf("%s: %w", v.Name, err)
	}
	if meta.FormatVersion != formatVersion {
		return fmt.Errorf("%s: format version %d is not %d: another program has written it", v.Name, meta.FormatVersion, formatVersion)
	}
	if meta.Location != v.meta.Location { // the lake was moved: a new table over the same files, which goes on counting
		v.meta.LastSequenceNumber, v.meta.LastUpdated = meta.LastSequenceNumber, meta.LastUpdated
		return nil
	}
	v.meta = meta
	if s := meta.Snapshot(); s != nil {
		v.manifests, err = t.list(ctx, s.ManifestList)
	}
	return err
}

// list returns the manifests of a snapshot.
func (t *Table) list(ctx context.Context, uri string) ([]Manifest, error) {
	if known, ok := t.lists[uri]; ok {
		return known, nil
	}
	content, err := t.readURI(ctx, uri)
	if err != nil {
		return nil, err
	}
	manifests, err := decodeList(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", uri, err)
	}
	t.lists[uri] = manifests
	return manifests, nil
}

func (t *Table) readURI(ctx context.Context, uri string) ([]byte, error) {
	name, err := t.name(uri)
	if err != nil {
		return nil, err
	}
	return t.s.Store.Read(ctx, name)
}

func (t *Table) entries(ctx context.Context, m Manifest) ([]Entry, error) {
	content, err := t.readURI(ctx, m.Path)
	if err != nil {
		return nil, err
	}
	return decodeManifest(content, m)
}

// Known is a file that the table has.
type Known struct {
	Name  string // below the lake's root
	Bytes int64
	Hour  int32 // of the rows; Undated of a file that has rows of several hours
}

// Undated is the hour of files that hold rows of several hours.
const Undated = -1 << 31

// Files calls each for every file of the version that can lie in a directory of the hours [from, to], and for some others.
func (t *Table) Files(ctx context.Context, v *Version, from, to int32, each func(Known)) error {
	return t.indices(ctx, v, from, to, func(_ Manifest, files []Known) {
		for _, f := range files {
			each(f)
		}
	})
}

func (t *Table) indices(ctx context.Context, v *Version, from, to int32, each func(Manifest, []Known)) error {
	for _, m := range v.manifests {
		if m.live() == 0 || !m.overlaps(from, to) {
			continue
		}
		files, ok := t.manifests.get(m.Path)
		if !ok {
			entries, err := t.entries(ctx, m)
			if err != nil {
				return err
			}
			if files, err = t.index(entries); err != nil {
				return err
			}
			t.manifests.put(m.Path, files)
		}
		each(m, files)
	}
	return nil
}

func (t *Table) index(entries []Entry) ([]Known, error) {
	files := make([]Known, 0, len(entries))
	for _, e := range entries {
		if e.Status == deleted {
			continue
		}
		name, err := t.name(e.File.Path)
		if err != nil {
			return nil, err
		}
		k := Known{name, e.File.Bytes, Undated}
		if e.File.Partition.Hour != nil {
			k.Hour = *e.File.Partition.Hour
		}
		files = append(files, k)
	}
	return files, nil
}

// maxCached bounds the files that the cache has, some 200 bytes each.
const maxCached = 200_000

// cache has the files of manifests, which never change. The zero value is empty.
type cache struct {
	files map[string][]Known
	order []string // oldest first
	n     int
}

func (c *cache) get(path string) ([]Known, bool) {
	files, ok := c.files[path]
	return files, ok
}

func (c *cache) put(path string, files []Known) {
	if c.files == nil {
		c.files = map[string][]Known{}
	}
	c.files[path], c.n = files, c.n+len(files)
	c.order = append(c.order, path)
	for c.n > maxCached && len(c.order) > 1 {
		c.drop(c.order[0])
	}
}

func (c *cache) drop(path string) {
	if files, ok := c.files[path]; ok {
		c.n -= len(files)
		delete(c.files, path)
		c.order = slices.DeleteFunc(c.order, func(p string) bool { return p == path })
	}
}
