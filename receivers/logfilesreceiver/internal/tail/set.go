package tail

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

const (
	// mostOpen bounds the files that stay open between polls, as does a quarter of the process's limit; the least active ones are opened
	// when they change.
	mostOpen = 1024
	// sureCopy is how many bytes a new file must have in common with a missing one to be treated as that file, saved again.
	sureCopy = 16 << 10
	// copyWait is how long a new file that begins with all text read of another one waits for that one to be truncated, as logrotate's
	// copytruncate does after it has copied. After that it is a separate file.
	copyWait = 5 * time.Second
	// goneWait is how long a file without a path stays open after it last grew, because its writer may still have it open.
	goneWait = time.Minute
	// maxScan bounds the entries of a directory that are searched for a renamed file.
	maxScan = 10000
)

// Reason is why a matching file is not read.
type Reason string

// Reasons, and events of files that are read.
const (
	Compressed Reason = "compressed"
	Unreadable Reason = "unreadable"
	NotRegular Reason = "not_regular"
	Duplicate  Reason = "duplicate" // another path of a file that is read
)

// Event is a result of Poll for a file.
type Event struct {
	File *File
	Kind Kind
	// Path is the file's; Other that of a related file.
	Path, Other string
	Reason      Reason // of Skipped
	Offset      int64  // of Lost: offset up to which it was delivered
	Bytes       int64  // of Lost: how many bytes it is known to have had after that
	Err         error
}

// Kind is what happened.
type Kind int

// The kinds of events.
const (
	Started   Kind = iota // it is read from its beginning
	Resumed               // it is read from where it was left
	Copied                // it is the copy of Other, and is read from where that one was left
	Alike                 // it begins with all text read of Other, and is read as a separate file
	Found                 // it no longer matches, was found by its inode and is read to its end
	Truncated             // it was cut or replaced in place: it is read from its beginning
	Skipped               // it is not read, for Reason
	Lost                  // its path leads elsewhere and it was not found: its unread text is lost
	Forgotten             // it is gone, and was read to its end
	Unmatched             // it matches no pattern any more: reading stops
	Held                  // it was found while nothing could be read, and is kept open
	Blind                 // directories could not be listed, because of Err: files stay unchanged
)

// Set is the set of files that match patterns. Not safe for concurrent use.
type Set struct {
	include, exclude []string
	files            map[ID]*File
	known            map[ID]Position // from before the start, not seen yet
	ghosts           []ghost
	legacy           []Legacy
	waiting          map[ID]*waiter
	skipped          map[string]Reason // by path
	scouts           map[ID]*scouted
	maxOpen          int
	polled           bool
	dirty            [shards]bool // positions changed since they were saved
}

type waiter struct {
	since time.Time // when it last grew
	size  int64
}

// NewSet returns a set that continues at the positions.
func NewSet(include, exclude []string, positions []Position, legacy []Legacy) *Set {
	s := &Set{include: include, exclude: exclude, legacy: legacy, files: map[ID]*File{}, known: map[ID]Position{},
		waiting: map[ID]*waiter{}, skipped: map[string]Reason{}, scouts: map[ID]*scouted{}, maxOpen: min(mostOpen, handles()/4)}
	for _, p := range positions {
		s.known[p.ID] = p
	}
	return s
}

// Files returns the files that are read, in the order of their paths.
func (s *Set) Files() []*File {
	all := make([]*File, 0, len(s.files))
	for _, f := range s.files {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *File) int { return cmp.Compare(a.Path, b.Path) })
	return all
}

// match is a path that matches the patterns.
type match struct {
	path string
	info fs.FileInfo
	id   ID
}

// Poll searches for files, and finds out what happened to the known ones. It calls report for every change; for Truncated and Forgotten it
// does so before it drops the file's reading position.
func (s *Set) Poll(now time.Time, report func(Event)) {
	matches, err := s.match(report)
	if err != nil { // a file that was not found now is not considered gone
		report(Event{Kind: Blind, Err: err})
		return
	}
	seen := map[ID]bool{}
	for _, m := range matches {
		seen[m.id] = true
		if f := s.files[m.id]; f != nil {
			s.update(f, m, now, report)
		}
	}
	s.missing(seen, now, report)
	if !s.polled {
		s.polled = true
		s.resume(matches, now, report)
	}
	for _, m := range matches {
		if s.files[m.id] == nil && !s.resumeFile(m, now, report) {
			s.admit(m, now, report)
		}
	}
	s.rescue(seen, now, report)
	for id := range s.waiting {
		if !seen[id] {
			delete(s.waiting, id)
		}
	}
	s.exorcise(now, report)
	s.limitOpen()
}

// match lists the regular files that match, each once even if several paths lead to it. An error says that directories could not be listed
// for the moment; one that this process may not list has no files.
func (s *Set) match(report func(Event)) ([]match, error) {
	var all []match
	paths := map[string]bool{}
	byID := map[ID]string{}
	skipped := map[string]Reason{}
	skip := func(path, other string, reason Reason, err error) {
		skipped[path] = reason
		if s.skipped[path] != reason {
			report(Event{Kind: Skipped, Path: path, Other: other, Reason: reason, Err: err})
		}
	}
	for _, pattern := range s.include {
		found, err := doublestar.FilepathGlob(pattern, doublestar.WithFailOnIOErrors())
		if momentary(err) {
			return nil, err
		}
		if err != nil {
			found, _ = doublestar.FilepathGlob(pattern) // Validate has compiled it
		}
		slices.Sort(found)
		for _, path := range found {
			if paths[path] || s.excluded(path) {
				continue
			}
			paths[path] = true
			info, err := os.Stat(path)
			switch {
			case errors.Is(err, fs.ErrNotExist): // gone since, or a link to nothing
				continue
			case err != nil:
				skip(path, "", Unreadable, err)
				continue
			case info.IsDir():
				continue
			case !info.Mode().IsRegular():
				skip(path, "", NotRegular, nil)
				continue
			}
			id := idOf(path, info)
			if other, again := byID[id]; again {
				skip(path, other, Duplicate, nil)
				continue
			}
			if s.files[id] == nil {
				if reason, err := refusal(path); reason != "" {
					skip(path, "", reason, err)
					continue
				}
			}
			byID[id] = path
			all = append(all, match{path, info, id})
		}
	}
	s.skipped = skipped
	return all, nil
}

func (s *Set) excluded(path string) bool {
	return slices.ContainsFunc(s.exclude, func(pattern string) bool {
		ok, _ := doublestar.PathMatch(pattern, path)
		return ok
	})
}

// refusal returns why a file can't be read as text: by its first bytes, whatever its name.
func refusal(path string) (Reason, error) {
	file, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		return Unreadable, err
	}
	defer file.Close()
	var head [6]byte
	n, _ := file.ReadAt(head[:], 0)
	for _, magic := range [...]string{"\x1f\x8b", "BZh", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd", "PK\x03\x04", "\x04\x22\x4d\x18"} {
		if n >= len(magic) && string(head[:len(magic)]) == magic {
			return Compressed, nil
		}
	}
	return "", nil
}

// update updates a file's path and size, and finds out whether it was truncated.
func (s *Set) update(f *File, m match, now time.Time, report func(Event)) {
	f.Path, f.Gone, f.Seen = m.path, false, now
	if m.info.Size() == f.size && m.info.ModTime().Equal(f.modified) {
		return
	}
	before := f.size
	f.size, f.modified, f.grown = m.info.Size(), m.info.ModTime(), now
	if err := f.open(); err != nil {
		return // gone or replaced since: the next poll notices it
	}
	f.zeros = false
	if f.size >= f.read && f.fits(f.handle) && hasTail(f.handle, f.read, f.tail) {
		f.behind = f.read < f.size
		return
	}
	report(Event{Kind: Truncated, File: f, Path: f.Path, Offset: f.Offset})
	s.haunt(ghost{Position: f.Position, read: f.read, part: f.part, tail: f.tail, size: before}, now)
	f.Position = Position{ID: f.ID, Path: f.Path, Seen: f.Seen}
	f.read, f.part, f.tail, f.behind, f.dirty, f.cut = 0, 0, nil, f.size > 0, true, true
}

// missing handles files to which no path leads any more: open ones are read to their end, others are searched for.
func (s *Set) missing(seen map[ID]bool, now time.Time, report func(Event)) {
	for id, f := range s.files {
		if seen[id] {
			continue
		}
		f.Gone = true
		if f.handle != nil {
			// continue reading
		} else if found, err := f.relocate(); err != nil {
			continue // the next poll checks again
		} else if !found {
			report(Event{Kind: Lost, File: f, Path: f.Path, Offset: f.Offset, Bytes: max(0, f.size-f.Offset)})
			s.forget(f, report)
			continue
		}
		if f.handle == nil {
			continue
		}
		if info, err := f.handle.Stat(); err == nil && (info.Size() != f.size || !info.ModTime().Equal(f.modified)) {
			f.size, f.modified, f.grown = info.Size(), info.ModTime(), now
			f.behind = f.read < f.size
		}
		if !f.behind && f.Offset == f.read && now.Sub(f.grown) > goneWait {
			s.forget(f, report)
		}
	}
}

// relocate searches for a file that is not open, by its inode, in its former directory. After an error the result is unknown.
func (f *File) relocate() (found bool, err error) {
	path, found, err := locate(f.Position)
	if !found {
		return false, err
	}
	f.Path = path
	if err = f.open(); gone(err) {
		return false, nil
	}
	return err == nil, err
}

func (s *Set) forget(f *File, report func(Event)) {
	report(Event{Kind: Forgotten, File: f, Path: f.Path})
	f.close()
	s.touch(f.ID)
	delete(s.files, f.ID)
}

// locate finds a file by its inode in its former directory. After an error the result is unknown.
func locate(p Position) (path string, found bool, err error) {
	names, err := list(filepath.Dir(p.Path))
	if err != nil {
		return "", false, err
	}
	for _, name := range names {
		path := filepath.Join(filepath.Dir(p.Path), name)
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() && idOf(path, info) == p.ID {
			return path, true, nil
		}
	}
	return "", false, nil
}

// MaxOpen is how many files may stay open.
func (s *Set) MaxOpen() int { return s.maxOpen }

// limitOpen closes the files that have been quiet for the longest.
func (s *Set) limitOpen() {
	var open []*File
	for _, f := range s.files {
		if f.handle != nil {
			open = append(open, f)
		}
	}
	if len(open) <= s.maxOpen {
		return
	}
	slices.SortFunc(open, func(a, b *File) int { return a.grown.Compare(b.grown) })
	for _, f := range open[:len(open)-s.maxOpen] {
		if !f.Gone {
			f.close()
		}
	}
}

// Close closes all files.
func (s *Set) Close() {
	for _, f := range s.files {
		f.close()
	}
	for _, found := range s.scouts {
		_ = found.handle.Close()
	}
}
