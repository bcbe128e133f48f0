// Package ledgers queries the ledger of a process, and sends data that can be counted from outside.
package ledgers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

// Sink is a row's part for one sink.
type Sink struct {
	Stored, Folded, Buffered, Unseen, Unaccounted int64
	Dropped                                       map[string]int64
}

// Row is what became of the items of one signal, tenant and hour.
type Row struct {
	Signal, Tenant, Hour string
	Received             int64
	Stored, Dropped      map[string]int64
	Folded, Buffered     int64
	Sinks                map[string]Sink
}

// Answer is what GET /v1/ledger returns.
type Answer struct {
	Balanced bool
	Rows     []Row
	Missing  []struct{ Signal, Sink, Why string }
}

// Get queries p for the ledger of signal and tenant; further are pairs of parameter and value.
func Get(p *process.Process, signal, tenant string, further ...string) (a Answer, err error) {
	q := url.Values{"signal": {signal}, "tenant": {tenant}}
	for i := 0; i+1 < len(further); i += 2 {
		q.Set(further[i], further[i+1])
	}
	status, body, err := process.Fetch(context.Background(), "http://"+p.Admin()+"/v1/ledger?"+q.Encode())
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("ledger: %d %s", status, body)
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &a)
	}
	return a, err
}

// Sum adds up the rows of an answer that is whole and balances, in which nothing is buffered any more.
func (a *Answer) Sum() (received int64, sinks map[string]Sink, err error) {
	sinks = map[string]Sink{}
	for _, r := range a.Rows {
		received += r.Received
		for name, s := range r.Sinks {
			sum := sinks[name]
			sum.Stored, sum.Folded, sum.Buffered, sum.Unseen = sum.Stored+s.Stored, sum.Folded+s.Folded, sum.Buffered+s.Buffered, sum.Unseen+s.Unseen
			if sum.Dropped == nil {
				sum.Dropped = map[string]int64{}
			}
			for reason, n := range s.Dropped {
				sum.Dropped[reason] += n
			}
			sinks[name] = sum
			if s.Buffered != 0 || s.Unseen != 0 || s.Unaccounted != 0 {
				err = fmt.Errorf("%s of %s: %+v", name, r.Hour, s)
			}
		}
	}
	if err == nil && (!a.Balanced || len(a.Missing) > 0) {
		err = fmt.Errorf("balanced %t, missing %v", a.Balanced, a.Missing)
	}
	return received, sinks, err
}
