package tail

import (
	"slices"
	"time"
)

const (
	// maxGhosts bounds the positions that are kept of files that were truncated, ghostAge how long. logrotate makes its copy before it
	// truncates, so a later file is no copy.
	maxGhosts = 4096
	ghostAge  = 10 * time.Second
)

// ghost is the text of a file that was truncated: a copy of it goes on where the file was left.
type ghost struct {
	Position
	// read is up to where it was read and, since the file is looked at between deliveries only, delivered; tail the bytes before that, part the
	// pieces of the line there. The position can lie before it: what was held back has been delivered at the truncation.
	read int64
	part int
	tail []byte
	size int64 // of the file, when it was last seen whole
	// unseen: it was truncated while nothing read it, so it can have had more than size.
	unseen bool
}

// haunt keeps what is known of a file that was truncated: its copy is there by now, or is seen by one of the next polls.
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

// exorcise gives up waiting for copies. What a file had that was not read is lost then.
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

// isIn says whether a file begins with what the ghost had. cache, if not nil, keeps the file's marks.
func (g *ghost) isIn(f *File, cache map[int64]Mark) bool {
	if g.Offset > f.size || !g.fitsHead(f.handle, cache) || !g.fitsTail(f.handle) {
		return false
	}
	return g.Offset > 0 || len(g.tail) > 0 && hasTail(f.handle, g.read, g.tail)
}

// GiveUp reports what is lost unless copies are found: none will be looked for any more.
func (s *Set) GiveUp(report func(Event)) { s.exorcise(time.Now().Add(2*ghostAge), report) }
