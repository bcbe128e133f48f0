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
	// patience is how long it may take, since the request came, while others wait for the slot.
	patience = 2 * time.Second
)

// arriving watches the body of a request that came then and has a slot now; what the client sent meanwhile is there at once. arrived ends that, and may be repeated; so does the end of the body.
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

// hurry ends the requests whose bodies have taken too long for others to wait for them.
func (g *Gate) hurry() { g.reading.End(time.Now(), patience) }

// body says when all of it has arrived.
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
