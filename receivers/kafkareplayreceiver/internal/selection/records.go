// Package selection decides what a replay delivers: it selects records by their headers, and items in them by event time and by a
// condition.
package selection

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/journal"
)

// Records selects records without decoding them. The zero value selects all.
type Records struct {
	// From and To bound the time in the journal; zero times are unbounded.
	From, To time.Time
	// Tenants are the wanted tenants; empty: all.
	Tenants []string
	// Keys are patterns, one of which the key must match; empty: any key.
	Keys []string
	// Headers are patterns that all have to match.
	Headers map[string]string
	// Topic is the topic from which a dead letter must have come, or for which it was meant; empty for records of the journal.
	Topic string
}

// Match reports whether a record is wanted. header returns a header of the record.
func (s *Records) Match(r *journal.Record, at time.Time, header func(string) (string, bool)) bool {
	if (!s.From.IsZero() && at.Before(s.From)) || (!s.To.IsZero() && !at.Before(s.To)) {
		return false
	}
	if s.Topic != "" {
		if topic, _ := header(journal.HeaderTopic); topic != s.Topic {
			return false
		}
	}
	if len(s.Tenants) > 0 && !slices.Contains(s.Tenants, r.Tenant) {
		return false
	}
	if len(s.Keys) > 0 && !slices.ContainsFunc(s.Keys, func(pattern string) bool { return matchKey(pattern, r.Key) }) {
		return false
	}
	for name, pattern := range s.Headers {
		value, ok := header(name)
		if !ok || !matchText(pattern, value) {
			return false
		}
	}
	return true
}

// Whole reports whether records are selected only by their time in the journal.
func (s *Records) Whole() bool { return len(s.Tenants) == 0 && len(s.Keys) == 0 && len(s.Headers) == 0 }

// matchKey compares a key part by part; the pattern may have fewer.
func matchKey(pattern, key string) bool {
	parts := strings.Split(key, "\x00")
	for i, p := range strings.Split(pattern, "/") {
		if i >= len(parts) || !matchText(p, parts[i]) {
			return false
		}
	}
	return true
}

// matchText is path.Match, except that * matches slashes too.
func matchText(pattern, text string) bool {
	flat := strings.NewReplacer("/", "\x01")
	ok, err := path.Match(flat.Replace(pattern), flat.Replace(text))
	return ok && err == nil
}
