// Package deliverytest provides states for tests of deliveries.
package deliverytest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/penstockhq/penstock/internal/delivery"
)

// Adder is the smallest state: it adds up numbers and sends the sum.
type Adder struct {
	Sum, Outbox uint64
	Out         time.Time // low watermark that Advance returns
	Low, Now    time.Time // watermark of the last call of Advance
	Sent        []uint64
	Adopted     int
	Closed      int
	Refuse      atomic.Pointer[error] // error that Flush returns
}

var _ delivery.Stateful = (*Adder)(nil)

// NewAdder returns an Adder that holds nothing back.
func NewAdder() *Adder { return &Adder{Out: delivery.Unbounded()} }

// Restore implements delivery.Stateful.
func (a *Adder) Restore(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if len(data) != 16 {
		return fmt.Errorf("%d bytes, want 16", len(data))
	}
	a.Sum, a.Outbox = binary.BigEndian.Uint64(data), binary.BigEndian.Uint64(data[8:])
	return nil
}

// Advance implements delivery.Stateful.
func (a *Adder) Advance(now time.Time, _ bool, low time.Time) (bool, time.Time) {
	a.Now, a.Low = now, low
	a.Outbox, a.Sum = a.Outbox+a.Sum, 0
	return a.Outbox > 0, a.Out
}

// Snapshot implements delivery.Stateful.
func (a *Adder) Snapshot(w io.Writer) error {
	_, err := w.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, a.Sum), a.Outbox))
	return err
}

// Flush implements delivery.Stateful.
func (a *Adder) Flush(context.Context) error {
	if err := a.Refuse.Load(); err != nil {
		return *err
	}
	if a.Outbox > 0 {
		a.Sent = append(a.Sent, a.Outbox)
	}
	a.Outbox = 0
	return nil
}

// Adopt implements delivery.Stateful.
func (a *Adder) Adopt() { a.Adopted++ }

// Close counts its calls.
func (a *Adder) Close() { a.Closed++ }

// Blob is a state of any size.
type Blob struct {
	Adder
	Data []byte
}

// Restore implements delivery.Stateful.
func (b *Blob) Restore(r io.Reader) (err error) { b.Data, err = io.ReadAll(r); return err }

// Snapshot implements delivery.Stateful.
func (b *Blob) Snapshot(w io.Writer) (err error) { _, err = w.Write(b.Data); return err }
