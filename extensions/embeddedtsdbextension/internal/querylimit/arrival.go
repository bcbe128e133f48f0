package querylimit

import (
	"io"
	"net/http"
	"time"

	"github.com/penstockhq/penstock/internal/slowbody"
)

const (
	// bodyTimeout is how long a body may take to arrive once its request has a slot.
	bodyTimeout = 30 * time.Second
	// patience is how long it may take, from the arrival of the request, while others wait for the slot.
	patience = 2 * time.Second
)

// arriving watches the body of a request that has a slot; came is the request's arrival time, and data that the client has already sent is
// available at once. arrived ends the watch and may be called repeatedly; the end of the body calls it too.
func (g *Gate) arriving(w http.ResponseWriter, r *http.Request, came time.Time) (arrived func()) {
	if r.Body == nil || r.Body == http.NoBody {
		return func() {}
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // the wait for a slot is not the client's fault; recorders in tests have no deadlines
	stopper := slowbody.NewStopper(w)
	reader := g.reading.Begin(came, stopper.Stop)
	arrived = func() {
		if stopper.Arrived() {
			reader.Done()
			_ = control.SetReadDeadline(time.Time{})
		}
	}
	r.Body = &body{r.Body, arrived}
	return arrived
}

// endSlow ends the requests whose bodies take too long while others wait.
func (g *Gate) endSlow() { g.reading.End(time.Now(), patience) }

// body reports when it has arrived completely.
type body struct {
	io.ReadCloser
	arrived func()
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.arrived()
	}
	return n, err
}
