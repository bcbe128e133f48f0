package delivery_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/delivery"
)

// adder is the smallest Stateful: it adds up what it is given, and sends the sum.
type adder struct {
	sum, outbox uint64
	out         time.Time // what Advance promises
	low         time.Time // what Advance was told
	now         time.Time
	sent        []uint64
	adopted     int
	closed      int
	refuse      atomic.Pointer[error] // of Flush
}

func (a *adder) Restore(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if len(data) != 16 {
		return fmt.Errorf("%d bytes, want 16", len(data))
	}
	a.sum, a.outbox = binary.BigEndian.Uint64(data), binary.BigEndian.Uint64(data[8:])
	return nil
}

func (a *adder) Advance(now time.Time, _ bool, low time.Time) (bool, time.Time) {
	a.now, a.low = now, low
	a.outbox, a.sum = a.outbox+a.sum, 0
	return a.outbox > 0, a.out
}

func (a *adder) Snapshot(w io.Writer) error {
	_, err := w.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, a.sum), a.outbox))
	return err
}

func (a *adder) Flush(context.Context) error {
	if err := a.refuse.Load(); err != nil {
		return *err
	}
	if a.outbox > 0 {
		a.sent = append(a.sent, a.outbox)
	}
	a.outbox = 0
	return nil
}

func (a *adder) Adopt() { a.adopted++ }
func (a *adder) Close() { a.closed++ }

func newAdder() *adder { return &adder{out: delivery.Unbounded()} }

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
	a, err := delivery.Join(s, "guard", newAdder)
	require.NoError(t, err)
	b, err := delivery.Join(s, "guard", newAdder)
	require.NoError(t, err)
	assert.Same(t, a, b)
	_, err = delivery.Join(s, "guard", func() other { return other{} })
	assert.ErrorContains(t, err, `component "guard"`)
}

type other struct{ *adder }

// The low watermark of the first component is unbounded; each later one gets the earliest promise before it.
func TestAdvanceHandsLowWatermarksDown(t *testing.T) {
	s := session(t, delivery.Settings{})
	var members []*adder
	for i, out := range []int64{200, 100, 300} {
		m, err := delivery.Join(s, fmt.Sprint(i), func() *adder { return &adder{out: time.Unix(out, 0)} })
		require.NoError(t, err)
		members = append(members, m)
	}
	assert.False(t, s.Advance(time.Unix(500, 0), true))
	members[2].sum = 1
	assert.True(t, s.Advance(time.Unix(500, 0), true))
	assert.Equal(t, delivery.Unbounded(), members[0].low)
	assert.Equal(t, time.Unix(200, 0), members[1].low)
	assert.Equal(t, time.Unix(100, 0), members[2].low)
}

func TestSnapshotRestoresEveryState(t *testing.T) {
	s := session(t, delivery.Settings{Began: time.Unix(7, 5)})
	a, _ := delivery.Join(s, "guard", newAdder)
	b, _ := delivery.Join(s, "rollup", newAdder)
	a.sum, b.outbox = 3, 4

	restored := session(t, delivery.Settings{State: snapshot(t, s)})
	assert.True(t, restored.Began().Equal(time.Unix(7, 5)), "began travels with the state")
	assert.ElementsMatch(t, []string{"guard", "rollup"}, restored.Unclaimed())
	a2, err := delivery.Join(restored, "guard", newAdder)
	require.NoError(t, err)
	assert.EqualValues(t, 3, a2.sum)

	// A checkpoint before rollup has joined must not lose rollup's state.
	again := session(t, delivery.Settings{State: snapshot(t, restored)})
	b2, err := delivery.Join(again, "rollup", newAdder)
	require.NoError(t, err)
	assert.EqualValues(t, 4, b2.outbox)
	assert.Equal(t, []string{"guard"}, again.Unclaimed())
	again.Forget("guard")
	assert.Empty(t, again.Unclaimed())
}

func TestLargeStateKeepsItsBytes(t *testing.T) {
	s := session(t, delivery.Settings{})
	want := bytes.Repeat([]byte("0123456789abcdef-"), 40_000)
	b, _ := delivery.Join(s, "b", func() *blob { return &blob{data: want} })
	restored := session(t, delivery.Settings{State: snapshot(t, s)})
	got, err := delivery.Join(restored, "b", func() *blob { return &blob{} })
	require.NoError(t, err)
	assert.True(t, bytes.Equal(b.data, got.data))
}

type blob struct {
	adder
	data []byte
}

func (b *blob) Restore(r io.Reader) (err error)  { b.data, err = io.ReadAll(r); return err }
func (b *blob) Snapshot(w io.Writer) (err error) { _, err = w.Write(b.data); return err }

// Whatever bytes are lost or flipped, a damaged snapshot is told from a good one: it never restores and never panics.
func TestDamagedSnapshotIsRefused(t *testing.T) {
	s := session(t, delivery.Settings{})
	a, _ := delivery.Join(s, "guard", newAdder)
	a.sum = 3
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
	_, err := delivery.Join(s, "guard", func() *blob { return &blob{data: []byte("not a sum")} })
	require.NoError(t, err)
	state := snapshot(t, s)

	strict := session(t, delivery.Settings{State: state})
	_, err = delivery.Join(strict, "guard", newAdder)
	require.ErrorIs(t, err, delivery.ErrState)
	require.ErrorContains(t, err, "9 bytes, want 16")

	var told []string
	lenient := session(t, delivery.Settings{State: state, Refused: func(id string, err error) error {
		told = append(told, id+": "+err.Error())
		return nil
	}})
	a, err := delivery.Join(lenient, "guard", newAdder)
	require.NoError(t, err)
	assert.Zero(t, a.sum)
	require.Len(t, told, 1)
	assert.Contains(t, told[0], "9 bytes, want 16")
}

func TestFlushStopsAtTheFirstError(t *testing.T) {
	s := session(t, delivery.Settings{})
	a, _ := delivery.Join(s, "guard", newAdder)
	b, _ := delivery.Join(s, "rollup", newAdder)
	no := errors.New("no")
	a.outbox, b.outbox = 1, 2
	a.refuse.Store(&no)
	require.ErrorContains(t, s.Flush(context.Background()), `component "guard": no`)
	assert.Empty(t, b.sent)
	a.refuse.Store(nil)
	require.NoError(t, s.Flush(context.Background()))
	assert.Equal(t, []uint64{1}, a.sent)
	assert.Equal(t, []uint64{2}, b.sent)
}

func TestClosedSessionTakesNobody(t *testing.T) {
	s := session(t, delivery.Settings{})
	a, _ := delivery.Join(s, "guard", newAdder)
	s.Close()
	s.Close()
	assert.Equal(t, 1, a.closed)
	_, err := delivery.Join(s, "guard", newAdder)
	assert.ErrorIs(t, err, delivery.ErrEnded)
}

func FuzzDecode(f *testing.F) {
	s, _ := delivery.NewSession(delivery.Settings{})
	_, _ = delivery.Join(s, "guard", newAdder)
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
