// Package lentbody creates HTTP requests from buffers that their owner reuses.
//
// A transport may read a request's body after it has returned: a server answers before it has read all of it, as with 401, or the client's context
// ends. An owner that fills the buffer meanwhile would change the bytes that are sent under the length and the signature of the former request.
package lentbody

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
)

var errEnded = errors.New("the request's body is no longer sent: the request has ended")

// NewRequest returns a request with buffer as its body, which may be sent more than once. The buffer belongs to the request until end returns;
// nothing reads it afterwards. end may be repeated.
func NewRequest(ctx context.Context, method, url string, buffer []byte) (req *http.Request, end func(), err error) {
	l := &loan{buffer: buffer}
	req, err = http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	if len(buffer) > 0 {
		req.ContentLength = int64(len(buffer))
		req.Body = &reader{loan: l}
		req.GetBody = func() (io.ReadCloser, error) { return &reader{loan: l}, nil }
	}
	return req, l.end, nil
}

// loan is a buffer until it is returned.
type loan struct {
	mu     sync.Mutex
	ended  bool // guarded by mu
	buffer []byte
}

func (l *loan) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}

// reader reads the buffer once.
type reader struct {
	loan *loan
	read int
}

func (r *reader) Read(p []byte) (int, error) {
	r.loan.mu.Lock()
	defer r.loan.mu.Unlock()
	if r.read == len(r.loan.buffer) {
		return 0, io.EOF
	}
	if r.loan.ended {
		return 0, errEnded
	}
	n := copy(p, r.loan.buffer[r.read:])
	r.read += n
	return n, nil
}

func (*reader) Close() error { return nil }
