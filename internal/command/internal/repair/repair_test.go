package repair_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/command/internal/repair"
)

type stores struct {
	found  []repair.Finding
	err    error
	closed int
}

func (s *stores) Find(context.Context) (int, []repair.Finding, error) {
	return len(s.found) + 1, s.found, s.err
}

func (s *stores) Close() error { s.closed++; return nil }

func check(name string, s repair.Stores, err error) repair.Check {
	return repair.Check{Name: name, Open: func(context.Context) (repair.Stores, error) { return s, err }}
}

func TestADryRunChangesNothingAndSaysAll(t *testing.T) {
	repaired := 0
	s := &stores{found: []repair.Finding{
		{Path: "/data/a", Damage: "it is empty", Lost: "requests", Action: "rename it", Follows: "it starts empty",
			Repair: func(context.Context) (string, error) { repaired++; return "renamed to b", nil }},
		{Path: "/data/c", Damage: "it is odd", Follows: "ask somebody"},
	}}
	var out bytes.Buffer
	result, err := repair.Run(t.Context(), &out, []repair.Check{check("queues", s, nil), check("lake", nil, nil)}, false)
	require.NoError(t, err)
	assert.Equal(t, repair.Result{Checked: 3, Found: 2}, result)
	assert.Zero(t, repaired)
	assert.Equal(t, 1, s.closed)
	assert.Equal(t, `queues: 3 checked, 2 damaged

/data/a
  damage:       it is empty
  may be lost:  requests
  would:        rename it
  then:         it starts empty


/data/c
  damage:       it is odd
  to do:        ask somebody

`, out.String())

	out.Reset()
	result, err = repair.Run(t.Context(), &out, []repair.Check{check("queues", s, nil)}, true)
	require.NoError(t, err)
	assert.Equal(t, 1, result.Left(), "nothing can repair the second")
	assert.Equal(t, 1, repaired)
	assert.Contains(t, out.String(), "done:         renamed to b")
}

// A store in use stops everything before anything is read; stores that were already opened are closed.
func TestAStoreInUse(t *testing.T) {
	first := &stores{}
	inUse := fmt.Errorf("%w by process 12", repair.ErrInUse)
	_, err := repair.Run(t.Context(), &bytes.Buffer{}, []repair.Check{check("queues", first, nil), check("lake", nil, inUse)}, true)
	assert.EqualError(t, err, "lake: in use by process 12; stop that process first")
	assert.Equal(t, 1, first.closed)
}

// A failure in one kind of store does not prevent the repair of the others.
func TestFailuresAreReturnedAtTheEnd(t *testing.T) {
	broken := &stores{err: errors.New("input/output error"), found: []repair.Finding{
		{Path: "/data/a", Repair: func(context.Context) (string, error) { return "", errors.New("read-only file system") }}}}
	whole := &stores{found: []repair.Finding{{Path: "/data/b", Repair: func(context.Context) (string, error) { return "renamed", nil }}}}
	var out bytes.Buffer
	result, err := repair.Run(t.Context(), &out, []repair.Check{check("queues", broken, nil), check("lake", whole, nil)}, true)
	assert.ErrorContains(t, err, "queues: input/output error")
	assert.ErrorContains(t, err, "/data/a: read-only file system")
	assert.Equal(t, repair.Result{Checked: 4, Found: 2, Repaired: 1}, result)
}
