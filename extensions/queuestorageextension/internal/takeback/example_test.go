package takeback_test

import (
	"fmt"

	"github.com/penstockhq/penstock/extensions/queuestorageextension/internal/takeback"
)

// Requests 2 and 9 were with consumers when the process died; 3 to 8 were finished before.
func Example() {
	state, err := takeback.Parse(encode(10, 50, 2, 9))
	if err != nil {
		panic(err)
	}
	for move, ok := state.NextMove(); ok; move, ok = state.NextMove() {
		fmt.Printf("store request %d as %d\n", move.From, move.To)
		state = state.After(move)
	}
	fmt.Println("read again from", state.Dispatched()[0])
	// Output:
	// store request 2 as 8
	// read again from 8
}
