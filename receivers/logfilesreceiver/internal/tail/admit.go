package tail

import (
	"bytes"
	"io"
	"os"
	"slices"
	"time"
)

// Legacy is a position of contrib's reader: the first bytes of a file, at most 1000 by default, and an offset.
type Legacy struct {
	FirstBytes []byte
	Path       string
	Offset     int64
}

// resume continues with the files from before the start: those that match and those that were renamed in between. Positions of files that
// are gone or have other contents now may belong to a copy. A position whose path can't be read now is kept.
func (s *Set) resume(matches []match, now time.Time, report func(Event)) {
	before := s.positions()
	defer func() { s.hidden(before, matches, report) }()
	for _, m := range matches {
		s.resumeFile(m, now, report)
	}
	for id, p := range s.known {
		info, err := os.Stat(p.Path)
		switch {
		case s.skipped[p.Path] == Unreadable, err != nil && !gone(err):
			continue // it may become readable again
		case err == nil && info.Mode().IsRegular() && idOf(p.Path, info) == id:
			delete(s.known, id)
			s.touch(id)
			report(Event{Kind: Unmatched, Path: p.Path, Offset: p.Offset})
			continue
		}
		f, err := relocated(p, now)
		if err != nil {
			continue
		}
		delete(s.known, id)
		if f != nil {
			s.begin(f, Event{Kind: Found}, report)
			continue
		}
		report(Event{Kind: Lost, Path: p.Path, Offset: p.Offset, Bytes: p.unread()})
		s.touch(id)
		if p.Offset >= sureCopy {
			s.haunt(ghost{Position: p, read: p.Offset, size: p.Offset}, now)
		}
	}
}

// resumeFile continues with a file that was read before the start, if the path leads to one. False: it does not, or the file has other contents
// now.
func (s *Set) resumeFile(m match, now time.Time, report func(Event)) bool {
	p, known := s.known[m.id]
	if !known {
		return false
	}
	delete(s.known, m.id)
	f := &File{Position: p, size: m.info.Size(), modified: m.info.ModTime(), grown: now}
	f.Path, f.Seen = m.path, now
	switch {
	case f.open() != nil:
		s.known[m.id] = p // the next poll finds out what happened
		return true
	case p.Offset <= f.size && p.fits(f.handle):
		f.dirty = p.Path != m.path
		s.begin(f, Event{Kind: Resumed}, report)
		return true
	case p.Path == m.path: // else another file has the inode now
		report(Event{Kind: Truncated, Path: p.Path, Offset: p.Offset})
	}
	f.close()
	s.touch(p.ID)
	s.haunt(ghost{Position: p, read: p.Offset, size: p.Size, unseen: true}, now)
	return false
}

// relocated opens a file that matches no pattern any more; nil: it is gone. After an error this is unknown.
func relocated(p Position, now time.Time) (*File, error) {
	path, found, err := locate(p)
	if !found {
		return nil, err
	}
	p.Path, p.Seen = path, now
	f := &File{Position: p, Gone: true, grown: now, dirty: true}
	if err := f.open(); err != nil {
		if gone(err) {
			return nil, nil
		}
		return nil, err
	}
	if info, err := f.handle.Stat(); err == nil && p.fits(f.handle) {
		f.size, f.modified = info.Size(), info.ModTime()
		return f, nil
	}
	f.close()
	return nil, nil
}

func (s *Set) begin(f *File, event Event, report func(Event)) {
	delete(s.waiting, f.ID)
	f.read, f.part = f.Offset, f.Part
	f.behind = f.read < f.size
	s.files[f.ID] = f
	if len(s.files) > s.maxOpen && !f.Gone {
		f.close() // reading opens it
	}
	event.File, event.Path = f, f.Path
	report(event)
}

// admit starts reading a file: where contrib's reader stopped, where the file stopped of which it is a copy, or at its beginning.
func (s *Set) admit(m match, now time.Time, report func(Event)) {
	if m.info.Size() == 0 {
		return // it may become a copy
	}
	f := &File{Position: Position{ID: m.id, Path: m.path, Seen: now}, size: m.info.Size(), modified: m.info.ModTime(), grown: now}
	if err := f.open(); err != nil {
		return // the next poll finds out what happened
	}
	event := Event{Kind: Started}
	if s.migrate(f) {
		event.Kind = Resumed
	} else if !s.original(f, now, &event) {
		f.close()
		return
	}
	s.begin(f, event, report)
}

// take gives a file the position of another one, or its own from before the start.
func (s *Set) take(f *File, p Position) {
	p.ID, p.Path, p.Seen = f.ID, f.Path, f.Seen
	f.Position = p
	f.dirty = true
}

// original finds out whether a new file is the copy of another one, up to where that one was read. False: this can't be decided yet.
func (s *Set) original(f *File, now time.Time, event *Event) bool {
	cache := map[int64]Mark{}
	for i := range s.ghosts {
		if ghost := s.ghosts[i]; ghost.isIn(f, cache) {
			event.Kind, event.Other = Copied, ghost.Path
			s.ghosts = slices.Delete(s.ghosts, i, i+1)
			s.take(f, ghost.Position)
			if ghost.read > ghost.Offset && hasTail(f.handle, ghost.read, ghost.tail) && f.move(f.handle, ghost.read) {
				f.Part = ghost.part
			}
			return true
		}
	}
	for _, other := range s.files {
		if other.Gone { // a file that an editor saves, and not the next file of a program that writes the same text at its start
			if other.Offset >= sureCopy && other.Offset <= f.size && other.fitsHead(f.handle, cache) && other.fitsTail(f.handle) {
				event.Kind, event.Other = Copied, other.Path
				s.take(f, other.Position)
				return true
			}
			continue
		}
		w := s.waiting[f.ID]
		// A copy can be larger than its original was when that was checked, a moment before. The next poll decides.
		larger := other.size < f.size && w != nil
		if other.cut && other.read == 0 && w == nil && other.alike(f) { // and it may have a part that was not read yet
			s.waiting[f.ID] = &waiter{since: now, size: f.size}
			return false
		}
		if other.Offset == 0 && (other.read == 0 || !hasTail(f.handle, other.read, other.tail)) || larger || !other.begins(f, cache) {
			continue
		}
		if w == nil || w.size != f.size {
			w = &waiter{since: now, size: f.size}
			s.waiting[f.ID] = w
		}
		if now.Sub(w.since) < copyWait {
			return false
		}
		event.Kind, event.Other = Alike, other.Path
		return true
	}
	return true
}

// alike reports whether two files begin with the same bytes.
func (f *File) alike(other *File) bool {
	if f.open() != nil {
		return false
	}
	length := min(f.size, other.size, headBytes)
	mine, a := markAt(f.handle, length, length)
	its, b := markAt(other.handle, length, length)
	return a && b && mine == its
}

// begins reports whether, as far as marks can tell, all of the new file is the beginning of this one, or all text read of this one is the
// beginning of the new file: then it can be a copy in progress.
func (f *File) begins(of *File, cache map[int64]Mark) bool {
	if f.Offset <= of.size {
		return f.fitsHead(of.handle, cache) && f.fitsTail(of.handle)
	}
	if f.Head.Length <= of.size && !f.fitsHead(of.handle, cache) || f.open() != nil {
		return false
	}
	length := min(of.size, headBytes)
	for _, end := range [...]int64{length, of.size} {
		mine, a := markAt(f.handle, end, min(end, length))
		its, b := markAt(of.handle, end, min(end, length))
		if !a || !b || mine != its {
			return false
		}
	}
	return true
}

// migrate continues at a position of contrib's reader. That reader treated files that begin alike as one, so a position belongs to the
// file at its path if it fits, and else to any file that fits.
func (s *Set) migrate(f *File) bool {
	best := -1
	for i, old := range s.legacy {
		if old.Offset > f.size || !startsWith(f.handle, old.FirstBytes) {
			continue
		}
		if old.Path != f.Path && old.here() {
			continue
		}
		if best < 0 || len(old.FirstBytes) > len(s.legacy[best].FirstBytes) || len(old.FirstBytes) == len(s.legacy[best].FirstBytes) && old.Offset > s.legacy[best].Offset {
			best = i
		}
	}
	if best < 0 || !f.move(f.handle, s.legacy[best].Offset) {
		return false
	}
	path := s.legacy[best].Path
	s.legacy = slices.DeleteFunc(s.legacy, func(old Legacy) bool { return old.Path == path })
	f.dirty = true
	return true
}

func (l Legacy) here() bool {
	file, err := os.Open(l.Path)
	if err != nil {
		return false
	}
	defer file.Close()
	return startsWith(file, l.FirstBytes)
}

func startsWith(r io.ReaderAt, first []byte) bool {
	head := make([]byte, len(first))
	n, _ := r.ReadAt(head, 0)
	return n > 0 && n == len(first) && bytes.Equal(head, first)
}
