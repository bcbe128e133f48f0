package ingestreceiver

import (
	"errors"
	"net/http"
	"time"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/inflight"
	"github.com/penstockhq/penstock/internal/slowbody"
)

// patience is how long a body may take to arrive when there is no place for another request.
const patience = 2 * time.Second

// arriving notes that a request's body is being read; done is called when that is over. Its client may take as long as read_timeout allows, while nobody waits.
func (r *ingest) arriving(w http.ResponseWriter, req *http.Request) (done func()) {
	stopper := slowbody.NewStopper(w)
	reader := r.reading.Begin(time.Now(), stopper.Stop, parties(req)...)
	return func() {
		stopper.Arrived()
		reader.Done()
	}
}

// drain is how long the server reads on from a client that was refused before its body was there: it does so to keep the connection.
const drain = time.Second

// parties are who a request is counted for.
func parties(req *http.Request) []inflight.Party {
	return inflight.Parties(access.Account(req.Context()))
}

// crowded is called for a request that finds no place: clients that are slow to send give up theirs to those that come back; where a party has
// its share, its own. One that is refused does not hold its connection for as long as it sends.
func (r *ingest) crowded(w http.ResponseWriter, req *http.Request, err error) {
	if errors.Is(err, errUnfair) {
		r.reading.End(time.Now(), patience, parties(req)...)
	} else {
		r.reading.End(time.Now(), patience)
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drain)) // where that is not supported, read_timeout ends it
}
