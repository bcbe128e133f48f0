package delivery_test

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/deliverytest"
)

// A driver's round: deliver, advance, save, flush. After a crash between the last two, the new owner of the partition sends
// the same value again.
func ExampleSession() {
	session, _ := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-3"})
	state, _ := delivery.Join(session, "adder", deliverytest.NewAdder)
	state.Sum = 5 // received with a batch

	var checkpoint bytes.Buffer
	if session.Advance(time.Now(), true) {
		_ = session.Snapshot(&checkpoint)
	}

	next, _ := delivery.NewSession(delivery.Settings{Label: "penstock.metrics-3", State: checkpoint.Bytes()})
	state, _ = delivery.Join(next, "adder", deliverytest.NewAdder)
	_ = next.Flush(context.Background())
	fmt.Println(state.Sent)
	// Output: [5]
}
