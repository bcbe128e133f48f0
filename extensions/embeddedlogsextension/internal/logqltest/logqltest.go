// Package logqltest has a source of entries in memory, for tests.
package logqltest

import (
	"context"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlengine"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// Source hands over its entries in their order, without regard of hints.
type Source []logqlpipeline.Entry

var _ logqlengine.Source = Source(nil)

func selects(s *logqlengine.Selection, e *logqlpipeline.Entry) bool {
	if e.Time < s.From || e.Time >= s.To {
		return false
	}
	for i := range s.Matchers {
		if m := &s.Matchers[i]; !m.Matches(e.Stream.Value(m.Name)) {
			return false
		}
	}
	return true
}

// Select is that of the interface.
func (s Source) Select(ctx context.Context, selection logqlengine.Selection, each func(*logqlpipeline.Entry) error) error {
	for i := range s {
		if !selects(&selection, &s[i]) {
			continue
		}
		if err := each(&s[i]); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Streams is that of the interface.
func (s Source) Streams(ctx context.Context, selection logqlengine.Selection, each func(logqlengine.Stream) error) error {
	found := map[string]*logqlengine.Stream{}
	var order []string
	for i := range s {
		if !selects(&selection, &s[i]) {
			continue
		}
		key := s[i].Stream.Key()
		if found[key] == nil {
			found[key] = &logqlengine.Stream{Labels: s[i].Stream}
			order = append(order, key)
		}
		found[key].Entries++
		found[key].Bytes += int64(len(s[i].Line))
	}
	for _, key := range order {
		if err := each(*found[key]); err != nil {
			return err
		}
	}
	return ctx.Err()
}
