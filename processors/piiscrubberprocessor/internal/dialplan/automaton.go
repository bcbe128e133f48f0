package dialplan

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
)

// maxStates bounds an automaton. The largest plan needs a fraction of it.
const maxStates = 1 << 15

// errTooLarge says that a pattern needs more states than maxStates.
var errTooLarge = errors.New("the automaton has too many states")

// automaton matches a string of digits against several patterns: one table look-up per digit, no allocation.
type automaton struct {
	next   [][10]uint16 // by state; state 0 never accepts, state 1 is the first
	accept []bool
}

// match reports whether all the digits, '0' to '9', match.
func (a *automaton) match(digits []byte) bool {
	state := uint16(1)
	for _, d := range digits {
		if state = a.next[state][d-'0']; state == 0 {
			return false
		}
	}
	return a.accept[state]
}

// compile builds the automaton of patterns in RE2 syntax by the subset construction.
func compile(patterns []string) (*automaton, error) {
	parsed, err := syntax.Parse(`\A(?:`+strings.Join(patterns, "|")+`)\z`, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	a := &automaton{next: make([][10]uint16, 2), accept: make([]bool, 2)}
	known := map[string]uint16{}
	sets := [][]uint32{nil, closure(prog, []uint32{uint32(prog.Start)})}
	for s := 1; s < len(sets); s++ {
		for d := range 10 {
			var to []uint32
			for _, pc := range sets[s] {
				if in := &prog.Inst[pc]; in.MatchRune(rune('0' + d)) {
					to = append(to, in.Out)
				}
			}
			if len(to) == 0 {
				continue
			}
			set := closure(prog, to)
			name := fmt.Sprint(set)
			id, ok := known[name]
			if !ok {
				if len(sets) == maxStates {
					return nil, errTooLarge
				}
				id = uint16(len(sets))
				known[name] = id
				sets = append(sets, set)
				a.next, a.accept = append(a.next, [10]uint16{}), append(a.accept, false)
			}
			a.next[s][d] = id
		}
		a.accept[s] = slices.ContainsFunc(sets[s], func(pc uint32) bool { return prog.Inst[pc].Op == syntax.InstMatch })
	}
	return a, nil
}

// closure returns the instructions that consume a digit or accept, reachable from set without one, in order.
func closure(prog *syntax.Prog, set []uint32) (out []uint32) {
	seen := make(map[uint32]bool, len(set))
	for len(set) > 0 {
		pc := set[len(set)-1]
		set = set[:len(set)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch in := &prog.Inst[pc]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			set = append(set, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop, syntax.InstEmptyWidth: // the anchors: patterns match whole
			set = append(set, in.Out)
		case syntax.InstFail:
		default:
			out = append(out, pc)
		}
	}
	slices.Sort(out)
	return out
}
