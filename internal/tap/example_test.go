package tap_test

import (
	"fmt"
	"time"

	"github.com/penstockhq/penstock/internal/tap"
)

func Example() {
	h := tap.NewHub(4)
	p := tap.NewPoint(tap.Place{Side: tap.Before, Kind: "exporter", Component: "loki", Signal: "logs"})
	h.Add(p)
	viewer, err := h.Open(tap.Filter{Component: "loki"}, 1)
	if err != nil {
		panic(err)
	}
	defer h.Close(viewer)

	// The owner of the point does this with a batch of two records:
	for _, t := range p.Taps() {
		t.See(2)
		if t.Take(time.Now(), 2, 10) > 0 {
			t.Show([]byte("a record"))
		}
	}
	fmt.Printf("%s, %d seen\n", <-viewer.Lines(), viewer.Counts().Seen)
	// Output: a record, 2 seen
}
