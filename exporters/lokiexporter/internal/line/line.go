// Package line fits log lines into a store's limit.
package line

import "unicode/utf8"

// Truncate returns the longest prefix of s that has at most limit bytes and
// does not cut a UTF-8 character. A limit of 0 or less means none.
func Truncate(s string, limit int) string {
	if limit <= 0 || len(s) <= limit {
		return s
	}
	return s[:cut(s, limit)]
}

// Split cuts s into parts of at most limit bytes whose concatenation is s. No part cuts a UTF-8 character, unless limit is smaller than
// one; bytes that are not UTF-8 are cut anywhere. A limit of 0 or less means none. The parts alias s.
func Split(s string, limit int) []string {
	if limit <= 0 || len(s) <= limit {
		return []string{s}
	}
	parts := make([]string, 0, len(s)/limit+1)
	for len(s) > limit {
		end := cut(s, limit)
		parts = append(parts, s[:end])
		s = s[end:]
	}
	return append(parts, s)
}

// cut returns the length of a prefix of at most limit bytes, at least 1.
func cut(s string, limit int) int {
	end := limit
	for end > 0 && limit-end < utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	if end == 0 || limit-end >= utf8.UTFMax {
		return limit
	}
	return end
}
