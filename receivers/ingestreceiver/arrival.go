package ingestreceiver

import (
	"errors"
	"net/http"
	"time"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/inflight"
	"github.com/penstockhq/penstock/internal/slowbody"
)

// patience is how long a body may take to arrive when there is no slot for another request.
const patience = 2 * time.Second

// arriving notes that a request's body is being read; the caller calls done afterwards. The client may take as long as read_timeout
// allows, unless others wait for a slot.
func (r *ingest) arriving(w http.ResponseWriter, req *http.Request) (done func()) {
	stopper := slowbody.NewStopper(w)
	reader := r.reading.Begin(time.Now(), stopper.Stop, parties(req)...)
	return func() {
		stopper.Arrived()
		reader.Done()
	}
}

// drain is how long the server continues to read from a client that was refused before its body arrived, to keep the connection.
const drain = time.Second

// parties are the client and tenant that a request counts for.
func parties(req *http.Request) []inflight.Party {
	return inflight.Parties(access.Account(req.Context()))
}

// crowded is called for a request without a free slot. It ends slow requests so that others get their slots; if a party already uses its
// share, only that party's own. A refused request does not keep its connection while its client still sends.
func (r *ingest) crowded(w http.ResponseWriter, req *http.Request, err error) {
	if errors.Is(err, errUnfair) {
		r.reading.End(time.Now(), patience, parties(req)...)
	} else {
		r.reading.End(time.Now(), patience)
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drain)) // where that is not supported, read_timeout ends the request
}
