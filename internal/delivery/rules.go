package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Rules is the state of a component that keeps no records, only the rules by which it processes them: a sink whose configuration decides
// which row goes into which file. The rules are part of the checkpoint, so that a range that was begun under earlier rules is repeated
// under those. Ranges may be in flight meanwhile: see [Session.Stateful].
//
// T is encoded as JSON: fields that a later version adds are zero in snapshots of an earlier one.
type Rules[T any] struct{ configured, inForce T }

var _ Stateful = (*Rules[struct{}])(nil)

// NewRules returns rules that apply until others are restored.
func NewRules[T any](configured T) *Rules[T] {
	return &Rules[T]{configured: configured, inForce: configured}
}

// InForce returns the rules for the current batch. They don't change during a batch.
func (r *Rules[T]) InForce() T { return r.inForce }

// Restore implements Stateful.
func (r *Rules[T]) Restore(from io.Reader) error {
	var restored T
	if err := json.NewDecoder(from).Decode(&restored); err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	r.inForce = restored
	return nil
}

// Advance implements Stateful: nothing is held back.
func (r *Rules[T]) Advance(_ time.Time, _ bool, low time.Time) (bool, time.Time) { return false, low }

// Snapshot implements Stateful.
func (r *Rules[T]) Snapshot(w io.Writer) error { return json.NewEncoder(w).Encode(r.inForce) }

// Flush implements Stateful: there is no outbox.
func (r *Rules[T]) Flush(context.Context) error { return nil }

// Adopt implements Stateful.
func (r *Rules[T]) Adopt() { r.inForce = r.configured }

// stateless distinguishes Rules from states of records.
func (r *Rules[T]) stateless() {}
