package tail

import (
	"slices"
	"time"
)

const (
	// maxGhosts bounds the positions that are kept of truncated files, ghostAge how long. logrotate makes its copy before it truncates, so
	// a later file is not a copy.
	maxGhosts = 4096
	ghostAge  = 10 * time.Second
)

// ghost is the former text of a truncated file: a copy of it continues where the file was left.
type ghost struct {
	Position
	// read is up to where it was read and, because files are checked only between deliveries, delivered; tail are the bytes before that,
	// part the pieces of the line there. The position can be before it: held-back lines were delivered at the truncation.
	read int64
	part int
	tail []byte
	size int64 // size of the file at the last check before the truncation
	// unseen: it was truncated while nothing read it, so it may have had more than size.
	unseen bool
}

// haunt keeps the data of a truncated file: its copy already exists, or appears at one of the next polls.
func (s *Set) haunt(g ghost, now time.Time) {
	if g.Offset == 0 && len(g.tail) == 0 && g.size == 0 {
		return
	}
	if len(s.ghosts) == maxGhosts {
		s.ghosts = slices.Delete(s.ghosts, 0, 1)
	}
	g.Seen = now
	s.ghosts = append(s.ghosts, g)
}

// exorcise stops waiting for copies. Unread text of such a file is then lost.
func (s *Set) exorcise(now time.Time, report func(Event)) {
	s.ghosts = slices.DeleteFunc(s.ghosts, func(g ghost) bool {
		if now.Sub(g.Seen) <= ghostAge {
			return false
		}
		if g.size > g.read || g.unseen {
			report(Event{Kind: Lost, Path: g.Path, Offset: g.read, Bytes: max(0, g.size-g.read)})
		}
		return true
	})
}

// isIn reports whether a file begins with the ghost's text. cache, if not nil, keeps the file's marks.
func (g *ghost) isIn(f *File, cache map[int64]Mark) bool {
	if g.Offset > f.size || !g.fitsHead(f.handle, cache) || !g.fitsTail(f.handle) {
		return false
	}
	return g.Offset > 0 || len(g.tail) > 0 && hasTail(f.handle, g.read, g.tail)
}

// AbandonCopies reports what is lost unless copies are found, because nothing searches for copies any more.
func (s *Set) AbandonCopies(report func(Event)) { s.exorcise(time.Now().Add(2*ghostAge), report) }
