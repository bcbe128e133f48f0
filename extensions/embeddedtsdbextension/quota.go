package embeddedtsdbextension

import (
	"errors"
	"io"
	"net/http"

	"github.com/penstockhq/penstock/extensions/embeddedtsdbextension/internal/database"
	"github.com/penstockhq/penstock/internal/quota/door"
	"github.com/penstockhq/penstock/internal/tenant"
)

// serveMetered serves a remote write request from outside, if its client's quotas allow it. The number of its samples is known only after they are
// written, so they become a debt.
func (e *tsdbExtension) serveMetered(w *quietWriter, r *http.Request) {
	admitted, done, err := e.door.Request(r, tenant.Default)
	if err != nil {
		e.pastQuota(w, r, err)
		return
	}
	r = admitted
	body := &meteredBody{ReadCloser: r.Body}
	ctx, samples := database.CountSamples(r.Context())
	r = r.WithContext(ctx)
	r.Body = body
	e.serve(w, r)
	if body.past != nil && w.held != 0 { // not a fault of the body: a sender discards a request that is answered with 400
		w.body.Reset()
		e.pastQuota(w, r, body.past)
	}
	if n := samples.Load(); n > 0 {
		e.door.AddDebt(r.Context(), tenant.Default, int(n))
	}
	done(w.held != http.StatusTooManyRequests && w.held < http.StatusInternalServerError)
}

// pastQuota answers in the way of remote write: 429 with Retry-After, and a text.
func (e *tsdbExtension) pastQuota(w *quietWriter, r *http.Request, err error) {
	e.countRefused(r, "quota")
	door.Hint(w.Header(), err)
	http.Error(w, err.Error(), http.StatusTooManyRequests)
}

// meteredBody records that a quota ended a body.
type meteredBody struct {
	io.ReadCloser
	past *door.Error
}

// Read implements io.Reader.
func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	errors.As(err, &b.past)
	return n, err
}
