package patience_test

import (
	"context"
	"fmt"
	"time"

	"github.com/penstockhq/penstock/internal/patience"
)

func ExampleTenants() {
	p, now := patience.New(15*time.Minute), time.Now()
	refused := func(after time.Duration) {
		aside, _ := p.Refused(context.Background(), patience.Refusal{Tenant: "closed", Began: now.Add(after - time.Second)}, now.Add(after))
		fmt.Println(aside)
	}
	refused(0)
	p.Taken("paying", now.Add(time.Minute))
	refused(20 * time.Minute)
	refused(21 * time.Minute)
	// Output:
	// false
	// false
	// true
}
