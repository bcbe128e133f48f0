// Package slowbody bounds how long the body of an HTTP request may take to arrive, and nothing else: a server's ReadTimeout would also cancel a
// request whose answer takes longer, because Go's server continues to read after the body.
package slowbody

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// Handler serves with next. Reading a body fails with os.ErrDeadlineExceeded after patience, counted from the end of the headers.
func Handler(next http.Handler, patience time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		control := http.NewResponseController(w)
		if control.SetReadDeadline(time.Now().Add(patience)) != nil { // not supported here
			next.ServeHTTP(w, r)
			return
		}
		r.Body = &body{ReadCloser: r.Body, control: control}
		next.ServeHTTP(w, r)
	})
}

// body removes the deadline when it has arrived completely.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	late    bool
}

// Late reports, to a handler that has read r's body, whether the body did not arrive in time.
func Late(r *http.Request) bool {
	b, ok := r.Body.(*body)
	return ok && b.late
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.late = b.late || errors.Is(err, os.ErrDeadlineExceeded)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{}) // it was supported before
	}
	return n, err
}
