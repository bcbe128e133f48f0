package lakestore

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// A File is one file of a lake.
type File struct {
	// Path is its path below the root, with slashes.
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	// Rows are set in changes only.
	Rows int64 `json:"rows,omitempty"`
	// Modified is when it was written.
	Modified time.Time `json:"modified,omitzero"`
}

// Name is the file's name, with its extension.
func (f File) Name() string { return path.Base(f.Path) }

// A Change replaces some files of a partition by others: afterwards all files of Add exist and none of Remove. The rows of Add are those of Remove,
// or fewer if retention has dropped some; without Add all rows of Remove are dropped.
type Change struct {
	// Partition is the directory of all its files: <signal>/date=YYYY-MM-DD/hour=HH/tenant=<t>.
	Partition string `json:"partition"`
	// Sequence numbers the changes of a partition, from 1 on, without gaps.
	Sequence int `json:"sequence"`
	// Epoch is the epoch of the worker that made the change.
	Epoch int64 `json:"epoch"`
	// Reason is merge, recompress or retention.
	Reason string `json:"reason"`
	// Committed is the time of the commit, by the worker's clock.
	Committed time.Time `json:"committed"`
	// Dropped are the classes of rows that retention has left out of Add.
	Dropped []string `json:"dropped,omitempty"`

	Add    []File `json:"add"`
	Remove []File `json:"remove"`
}

// ID names the change in its lake. The time is part of it because a partition that retention has dropped starts again with late rows.
func (c Change) ID() string {
	return fmt.Sprintf("%s/%08d-%d", c.Partition, c.Sequence, c.Committed.UnixNano())
}

// Live returns the files of a partition that readers should read. files is a listing of its directory, changes are the committed changes, read
// after the listing.
//
// A file that a change removes is left out, if everything that the change adds has existed, that is, it is in files or removed by a later change. A
// file in files that no change adds is live: an exporter wrote it.
func Live(files []File, changes []Change) (live, dead []File) {
	removed := map[string]bool{}
	for _, c := range Done(files, changes) {
		for _, f := range c.Remove {
			removed[f.Path] = true
		}
	}
	for _, f := range files {
		if removed[f.Path] {
			dead = append(dead, f)
		} else {
			live = append(live, f)
		}
	}
	return live, dead
}

// Done returns the changes that have taken effect in a listing, the last one first. The rows of all other changes are in the files that they
// remove.
func Done(files []File, changes []Change) (done []Change) {
	there := map[string]bool{}
	for _, f := range files {
		there[f.Path] = true
	}
	// A later change can have removed the files that this one adds.
	for _, c := range slices.Backward(changes) {
		if slices.ContainsFunc(c.Add, func(f File) bool { return !there[f.Path] }) {
			continue
		}
		done = append(done, c)
		for _, f := range c.Remove {
			there[f.Path] = true
		}
	}
	return done
}

// Directories of changes, and of files that a change will add.
const (
	ChangesDir = "_compacted"
	StagingDir = "_compacting"
)

// ChangePath is the path at which a change is committed.
func ChangePath(partition string, sequence int) string {
	return path.Join(ChangesDir, partition, fmt.Sprintf("%08d.json", sequence))
}

// StagedPath is the path of a file that waits for the commit of the change that adds it.
func StagedPath(file string) string { return path.Join(StagingDir, file) }

// PartitionOf returns the partition of the path of a change, a staged file or a visible file.
func PartitionOf(file string) string {
	dir := path.Dir(file)
	for _, prefix := range []string{ChangesDir, StagingDir} {
		dir = strings.TrimPrefix(dir, prefix+"/")
	}
	return dir
}
