package store

import (
	"errors"
	"slices"
	"strings"
)

// Queries at which the engine (v1.52.2) would end the process.
var (
	// It looks up each field in the headers of the block, and dereferences nothing for a field that a pipe has made (pipe_block_stats.go).
	errBlockStats = errors.New("block_stats: it must be the first pipe")
	// It has no way to compare a field that is the same in all rows of a block with their time (filter_eq_field.go, filter_le_field.go).
	errTimeField = errors.New("eq_field, lt_field, le_field: in a pipe, they can't compare with _time, and not behind copy or rename: use them before the first pipe")
)

var (
	copiers     = []string{"copy", "cp", "rename", "mv"}
	comparisons = []string{"eq_field(", "lt_field(", "le_field("}
)

// guard refuses a query, as text, that would end the process.
func guard(text string) (err error) {
	if !strings.Contains(text, "block_stats") && !strings.Contains(text, "_field(") {
		return nil
	}
	pipes := []int{0} // of the query and of each subquery, or bracket, around the place: those of a range can be of two kinds, as in range(1, 5]
	copied := false
	unquoted(text, func(i int) bool {
		switch text[i] {
		case '(', '[':
			pipes = append(pipes, 0)
		case ')', ']':
			if len(pipes) > 1 {
				pipes = pipes[:len(pipes)-1]
			}
		case '|':
			pipes[len(pipes)-1]++
			name := firstWord(text[i+1:])
			copied = copied || slices.Contains(copiers, name)
			if name == "block_stats" && pipes[len(pipes)-1] > 1 {
				err = errBlockStats
			}
		default:
			if slices.Max(pipes) == 0 {
				break
			}
			for _, comparison := range comparisons {
				with, is := strings.CutPrefix(text[i:], comparison)
				if is && (copied || firstWord(strings.TrimLeft(with, " \"'`")) == Time) {
					err = errTimeField
				}
			}
		}
		return err == nil
	})
	return err
}

// unquoted calls f with the place of each byte that stands in no quotes, until f returns false.
func unquoted(text string, f func(i int) bool) {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\'', '`':
			for i++; i < len(text) && text[i] != c; i++ {
				if text[i] == '\\' && c != '`' {
					i++
				}
			}
		default:
			if !f(i) {
				return
			}
		}
	}
}

// HasQuery says whether a filter, as the engine writes it, has a query inside, such as in(... | fields ...).
func HasQuery(filter string) (has bool) {
	unquoted(filter, func(i int) bool {
		has = filter[i] == '|'
		return !has
	})
	return has
}

// judges says whether a filter, as the engine writes it, can tell of a row alone whether it selects it. The engine takes the values of a query inside
// for none then, and each text for one of type string; a negated filter would select all rows.
func judges(filter string) bool {
	can := !HasQuery(filter)
	unquoted(filter, func(i int) bool {
		can = can && !strings.HasPrefix(filter[i:], StreamID) && !strings.HasPrefix(filter[i:], "value_type(")
		return can
	})
	return can
}

func firstWord(text string) string {
	text = strings.TrimLeft(text, " \t\r\n")
	end := strings.IndexFunc(text, func(c rune) bool { return c != '_' && (c < 'a' || c > 'z') })
	if end < 0 {
		return text
	}
	return text[:end]
}
