package quotaextension

import (
	"context"
	"io"
	"net/http"

	"github.com/penstockhq/penstock/internal/quota/door"
)

// Request implements door.Door.
func (e *quotaExtension) Request(r *http.Request, tenant string) (*http.Request, func(bool), error) {
	a, refused := e.admit(r.Context(), tenant, max(0, r.ContentLength))
	if refused != nil {
		return nil, nil, &door.Error{Refusal: refused.WholeSeconds()}
	}
	a.http = true
	r = r.WithContext(context.WithValue(r.Context(), admissionKey{}, a))
	if r.ContentLength < 0 && r.Body != nil {
		r.Body = &metered{ReadCloser: r.Body, grow: func(n int) error {
			if refused := e.grow(r.Context(), a, int64(n)); refused != nil {
				return &door.Error{Refusal: refused.WholeSeconds()}
			}
			return nil
		}}
	}
	return r, func(stored bool) {
		if !stored {
			e.refund(a)
		}
	}, nil
}

// metered is a body that is charged as it arrives.
type metered struct {
	io.ReadCloser
	grow func(int) error
	err  error
}

// Read fails with *door.Error when a quota is used up.
func (m *metered) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	n, err := m.ReadCloser.Read(p)
	if n > 0 {
		if m.err = m.grow(n); m.err != nil {
			return 0, m.err
		}
	}
	return n, err
}
