package store

import (
	"errors"
	"strings"
)

// errBlockStats is a query at which the engine would end the process.
var errBlockStats = errors.New("block_stats: it must be the first pipe")

// guard refuses a query whose text, as the engine writes it, has the pipe block_stats behind another pipe: the engine looks up each field in the
// block's headers, and dereferences nothing for a field that a pipe has made (v1.52.2, pipe_block_stats.go).
func guard(text string) error {
	if !strings.Contains(text, "block_stats") {
		return nil
	}
	pipes := []int{0} // of the query and of each subquery around the place
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\'', '`':
			for i++; i < len(text) && text[i] != c; i++ {
				if text[i] == '\\' && c != '`' {
					i++
				}
			}
		case '(':
			pipes = append(pipes, 0)
		case ')':
			if len(pipes) > 1 {
				pipes = pipes[:len(pipes)-1]
			}
		case '|':
			last := &pipes[len(pipes)-1]
			if *last++; *last > 1 && strings.HasPrefix(strings.TrimLeft(text[i+1:], " "), "block_stats") {
				return errBlockStats
			}
		}
	}
	return nil
}
