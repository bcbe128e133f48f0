package local_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
	"time"

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

// blob is a state of any size.
type blob struct {
	adder
	data []byte
}

func (b *blob) Restore(r io.Reader) (err error)  { b.data, err = io.ReadAll(r); return err }
func (b *blob) Snapshot(w io.Writer) (err error) { _, err = w.Write(b.data); return err }
