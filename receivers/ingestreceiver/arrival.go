package ingestreceiver

import (
	"net/http"
	"time"

	"github.com/penstockhq/penstock/internal/slowbody"
)

// patience is how long a body may take to arrive when there is no place for another request.
const patience = 2 * time.Second

// arriving notes that a request's body is being read; done is called when that is over. Its client may take as long as read_timeout allows, while nobody waits.
func (r *ingest) arriving(w http.ResponseWriter) (done func()) {
	stopper := slowbody.NewStopper(w)
	reader := r.reading.Begin(time.Now(), stopper.Stop)
	return func() {
		stopper.Arrived()
		reader.Done()
	}
}

// crowded is called for a request that finds no place: clients that are slow to send give up theirs to those that come back.
func (r *ingest) crowded() { r.reading.End(time.Now(), patience) }
