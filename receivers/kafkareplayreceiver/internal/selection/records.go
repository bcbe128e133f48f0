// Package selection decides what a replay takes: records by what their headers say, and in them items by event time and by a condition.
package selection

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/journal"
)

// Records selects records without decoding them. The zero value takes all.
type Records struct {
	// From and To bound the time in the journal; zero times don't.
	From, To time.Time
	// Tenants is empty or names those that are wanted.
	Tenants []string
	// Keys is empty or holds patterns, one of which the key must match.
	Keys []string
	// Headers are patterns that all have to match.
	Headers map[string]string
	// Topic is where a dead letter must have come from, or been meant for; empty for records of the journal.
	Topic string
}

// Match says whether a record is wanted. header returns a header of its.
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

// Whole says whether records are told apart by their time in the journal only.
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

// matchText is path.Match in which * stands for slashes too.
func matchText(pattern, text string) bool {
	flat := strings.NewReplacer("/", "\x01")
	ok, err := path.Match(flat.Replace(pattern), flat.Replace(text))
	return ok && err == nil
}
