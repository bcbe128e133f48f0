package delivery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/deliverytest"
)

func session(t *testing.T, set delivery.Settings) *delivery.Session {
	t.Helper()
	s, err := delivery.NewSession(set)
	require.NoError(t, err)
	return s
}

func snapshot(t *testing.T, s *delivery.Session) []byte {
	t.Helper()
	var buf bytes.Buffer
	require.NoError(t, s.Snapshot(&buf))
	return buf.Bytes()
}

func TestContextCarriesSession(t *testing.T) {
	_, ok := delivery.From(context.Background())
	assert.False(t, ok)
	s := session(t, delivery.Settings{Label: "p.metrics-3"})
	got, ok := delivery.From(delivery.With(context.Background(), s))
	require.True(t, ok)
	assert.Same(t, s, got)
	assert.Equal(t, "p.metrics-3", got.Label())
}

func TestJoinReturnsTheSameState(t *testing.T) {
	s := session(t, delivery.Settings{})
	a, err := delivery.Join(s, "guard", deliverytest.NewAdder)
	require.NoError(t, err)
	b, err := delivery.Join(s, "guard", deliverytest.NewAdder)
	require.NoError(t, err)
	assert.Same(t, a, b)
	_, err = delivery.Join(s, "guard", func() other { return other{} })
	assert.ErrorContains(t, err, `component "guard"`)
}

type other struct{ *deliverytest.Adder }

// The low watermark of the first component is unbounded; each later one gets the earliest promise before it.
func TestAdvanceHandsLowWatermarksDown(t *testing.T) {
	s := session(t, delivery.Settings{})
	var members []*deliverytest.Adder
	for i, out := range []int64{200, 100, 300} {
		m, err := delivery.Join(s, fmt.Sprint(i), func() *deliverytest.Adder { return &deliverytest.Adder{Out: time.Unix(out, 0)} })
		require.NoError(t, err)
		members = append(members, m)
	}
	assert.False(t, s.Advance(time.Unix(500, 0), true))
	members[2].Sum = 1
	assert.True(t, s.Advance(time.Unix(500, 0), true))
	assert.Equal(t, delivery.Unbounded(), members[0].Low)
	assert.Equal(t, time.Unix(200, 0), members[1].Low)
	assert.Equal(t, time.Unix(100, 0), members[2].Low)
}

func TestSnapshotRestoresEveryState(t *testing.T) {
	s := session(t, delivery.Settings{Began: time.Unix(7, 5)})
	a, _ := delivery.Join(s, "guard", deliverytest.NewAdder)
	b, _ := delivery.Join(s, "rollup", deliverytest.NewAdder)
	a.Sum, b.Outbox = 3, 4

	restored := session(t, delivery.Settings{State: snapshot(t, s)})
	assert.True(t, restored.Began().Equal(time.Unix(7, 5)), "began travels with the state")
	assert.ElementsMatch(t, []string{"guard", "rollup"}, restored.Unclaimed())
	a2, err := delivery.Join(restored, "guard", deliverytest.NewAdder)
	require.NoError(t, err)
	assert.EqualValues(t, 3, a2.Sum)

	// A checkpoint before rollup has joined must not lose rollup's state.
	again := session(t, delivery.Settings{State: snapshot(t, restored)})
	b2, err := delivery.Join(again, "rollup", deliverytest.NewAdder)
	require.NoError(t, err)
	assert.EqualValues(t, 4, b2.Outbox)
	assert.Equal(t, []string{"guard"}, again.Unclaimed())
	again.Forget("guard")
	assert.Empty(t, again.Unclaimed())
}

func TestLargeStateKeepsItsBytes(t *testing.T) {
	s := session(t, delivery.Settings{})
	want := bytes.Repeat([]byte("0123456789abcdef-"), 40_000)
	b, _ := delivery.Join(s, "b", func() *deliverytest.Blob { return &deliverytest.Blob{Data: want} })
	restored := session(t, delivery.Settings{State: snapshot(t, s)})
	got, err := delivery.Join(restored, "b", func() *deliverytest.Blob { return &deliverytest.Blob{} })
	require.NoError(t, err)
	assert.True(t, bytes.Equal(b.Data, got.Data))
}

// Whatever bytes are lost or flipped, a damaged snapshot is detected: it never restores and never panics.
func TestDamagedSnapshotIsRefused(t *testing.T) {
	s := session(t, delivery.Settings{})
	a, _ := delivery.Join(s, "guard", deliverytest.NewAdder)
	a.Sum = 3
	good := snapshot(t, s)
	for i := range good {
		flipped := bytes.Clone(good)
		flipped[i] ^= 0x10
		_, err := delivery.NewSession(delivery.Settings{State: flipped})
		require.ErrorIs(t, err, delivery.ErrState, "byte %d flipped", i)
		if i > 0 {
			_, err = delivery.NewSession(delivery.Settings{State: good[:i]})
			require.ErrorIs(t, err, delivery.ErrState, "cut at byte %d", i)
		}
	}
}

func TestRefusedStateStartsAfreshWhereForgiven(t *testing.T) {
	s := session(t, delivery.Settings{})
	_, err := delivery.Join(s, "guard", func() *deliverytest.Blob { return &deliverytest.Blob{Data: []byte("not a sum")} })
	require.NoError(t, err)
	state := snapshot(t, s)

	strict := session(t, delivery.Settings{State: state})
	_, err = delivery.Join(strict, "guard", deliverytest.NewAdder)
	require.ErrorIs(t, err, delivery.ErrState)
	require.ErrorContains(t, err, "9 bytes, want 16")

	var told []string
	lenient := session(t, delivery.Settings{State: state, Refused: func(id string, err error) error {
		told = append(told, id+": "+err.Error())
		return nil
	}})
	a, err := delivery.Join(lenient, "guard", deliverytest.NewAdder)
	require.NoError(t, err)
	assert.Zero(t, a.Sum)
	require.Len(t, told, 1)
	assert.Contains(t, told[0], "9 bytes, want 16")
}

func TestFlushStopsAtTheFirstError(t *testing.T) {
	s := session(t, delivery.Settings{})
	a, _ := delivery.Join(s, "guard", deliverytest.NewAdder)
	b, _ := delivery.Join(s, "rollup", deliverytest.NewAdder)
	no := errors.New("no")
	a.Outbox, b.Outbox = 1, 2
	a.Refuse.Store(&no)
	require.ErrorContains(t, s.Flush(context.Background()), `component "guard": no`)
	assert.Empty(t, b.Sent)
	a.Refuse.Store(nil)
	require.NoError(t, s.Flush(context.Background()))
	assert.Equal(t, []uint64{1}, a.Sent)
	assert.Equal(t, []uint64{2}, b.Sent)
}

func TestClosedSessionTakesNobody(t *testing.T) {
	s := session(t, delivery.Settings{})
	a, _ := delivery.Join(s, "guard", deliverytest.NewAdder)
	s.Close()
	s.Close()
	assert.Equal(t, 1, a.Closed)
	_, err := delivery.Join(s, "guard", deliverytest.NewAdder)
	assert.ErrorIs(t, err, delivery.ErrEnded)
}

func FuzzDecode(f *testing.F) {
	s, _ := delivery.NewSession(delivery.Settings{})
	_, _ = delivery.Join(s, "guard", deliverytest.NewAdder)
	var buf bytes.Buffer
	_ = s.Snapshot(&buf)
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		s, err := delivery.NewSession(delivery.Settings{State: data})
		if err != nil {
			require.ErrorIs(t, err, delivery.ErrState)
			return
		}
		require.NotEmpty(t, snapshot(t, s))
	})
}
