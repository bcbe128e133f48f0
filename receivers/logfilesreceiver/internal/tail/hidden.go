package tail

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// hidden reports files that were written, while nothing read them, under the name of a followed file, and that rotation has then given a
// name which matches no pattern: app.log.1 if only app.log is read.
func (s *Set) hidden(before []Position, matches []match, report func(Event)) {
	known := map[ID]bool{}
	for _, m := range matches {
		known[m.id] = true
	}
	names := map[string][]string{} // by directory
	for _, p := range before {
		if f := s.files[p.ID]; f != nil && f.Path == p.Path {
			continue // not rotated
		}
		dir := filepath.Dir(p.Path)
		if _, listed := names[dir]; !listed {
			names[dir], _ = list(dir)
		}
		for _, name := range names[dir] {
			path := filepath.Join(dir, name)
			if !strings.HasPrefix(name, filepath.Base(p.Path)+".") || s.excluded(path) {
				continue
			}
			info, err := os.Lstat(path)
			if err != nil || !info.Mode().IsRegular() || !info.ModTime().After(p.Seen) {
				continue
			}
			id := idOf(path, info)
			if s.files[id] != nil || known[id] {
				continue
			}
			known[id] = true
			if reason, _ := refusal(path); reason == "" { // a compressed one belongs to a position
				report(Event{Kind: Lost, Path: path, Bytes: info.Size()})
			}
		}
	}
}

// list returns the names in a directory, at most maxScan. A missing one has none.
func list(dir string) ([]string, error) {
	file, err := os.Open(dir)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	names, err := file.Readdirnames(maxScan)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

// scouted is a file that was found while no file could be read. The handle keeps it if it is rotated away before that.
type scouted struct {
	path   string
	handle *os.File
}

// Scout searches for new files and keeps them open, at most half of the files that may stay open, until the next Poll, because they can be
// rotated away while the pipeline accepts nothing. It may run during Read, but not during Poll.
func (s *Set) Scout(report func(Event)) {
	for _, pattern := range s.include {
		found, _ := doublestar.FilepathGlob(pattern)
		for _, path := range found {
			info, err := os.Stat(path)
			if err != nil || !info.Mode().IsRegular() || s.excluded(path) {
				continue
			}
			id := idOf(path, info)
			if s.files[id] != nil {
				continue
			}
			if have, again := s.scouts[id]; again {
				have.path = path
				continue
			}
			if _, before := s.known[id]; before || len(s.scouts) >= s.maxOpen/2 {
				continue
			}
			handle, err := os.Open(path)
			if err != nil {
				continue
			}
			if info, err := handle.Stat(); err != nil || idOf(path, info) != id {
				_ = handle.Close()
				continue
			}
			s.scouts[id] = &scouted{path, handle}
			report(Event{Kind: Held, Path: path})
		}
	}
}

// rescue reads those scouted files to which no path leads any more.
func (s *Set) rescue(seen map[ID]bool, now time.Time, report func(Event)) {
	for id, found := range s.scouts {
		delete(s.scouts, id)
		info, err := found.handle.Stat()
		if seen[id] || s.files[id] != nil || err != nil || info.Size() == 0 {
			_ = found.handle.Close()
			continue
		}
		s.begin(&File{Position: Position{ID: id, Path: found.path, Seen: now}, Gone: true, handle: found.handle,
			size: info.Size(), modified: info.ModTime(), grown: now}, Event{Kind: Started}, report)
	}
}

// gone reports that a path certainly does not exist.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// momentary reports that an error is one of the process or the device, not of the path: too many open files, no memory, a failing device.
func momentary(err error) bool {
	for _, of := range [...]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EIO, syscall.ESTALE} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

// positions returns those from before the start.
func (s *Set) positions() []Position {
	all := make([]Position, 0, len(s.known))
	for _, p := range s.known {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Position) int { return strings.Compare(a.Path, b.Path) })
	return all
}
