package deadletterextension

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/extension/extensionmiddleware"

	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/dispatch"
	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/parts"
	"github.com/penstockhq/penstock/internal/verdict"
)

const (
	protobuf = "application/x-protobuf"
	// maxAnswer bounds the part of an answer that is read: a status or a partial success.
	maxAnswer = 64 << 10
)

// GetHTTPRoundTripper returns the middleware for an exporter's client.
func (d *deadLetter) GetHTTPRoundTripper(context.Context) (extensionmiddleware.WrapHTTPRoundTripperFunc, error) {
	return func(_ context.Context, next http.RoundTripper) (http.RoundTripper, error) {
		return &roundTripper{d: d, next: next}, nil
	}, nil
}

type roundTripper struct {
	d    *deadLetter
	next http.RoundTripper
}

// RoundTrip sends a request. Exporters see only statuses that they retry.
func (t *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	signal := signalOf(req.URL.Path)
	if signal == "" || req.Body == nil || req.Header.Get("Content-Type") != protobuf || !decodes(req.Header.Get("Content-Encoding")) {
		resp, err := t.next.RoundTrip(req) //nolint:bodyclose // the caller closes it
		if err == nil {
			t.d.retryableHTTP(resp)
		}
		return resp, err
	}
	sent, err := io.ReadAll(req.Body)
	if err = errors.Join(err, req.Body.Close()); err != nil {
		return nil, err
	}
	var resp *http.Response
	header := req.Header.Clone()
	send := func(ctx context.Context, body []byte, coding string) dispatch.Answer {
		r := req.Clone(ctx)
		r.Header = header.Clone()
		r.Header.Del("Content-Encoding")
		if coding != "" {
			r.Header.Set("Content-Encoding", coding)
		}
		r.Header.Del("Content-Length")
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		var a dispatch.Answer
		resp, a = t.try(r, signal)
		return a
	}
	post := func(ctx context.Context, body []byte) dispatch.Answer { return send(ctx, body, "") }
	whole := func(ctx context.Context) dispatch.Answer { return send(ctx, sent, req.Header.Get("Content-Encoding")) }
	l := t.d.lane(req.URL.Scheme+"://"+req.URL.Host+req.URL.Path, signal, func(ctx context.Context, body []byte) dispatch.Answer {
		r := req.Clone(ctx)
		r.Header = header.Clone()
		r.Header.Del("Content-Encoding")
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		_, a := t.try(r, signal)
		return a
	})
	a := l.Send(req.Context(), "", whole, func() ([]byte, error) { return decompress(sent, req.Header.Get("Content-Encoding")) }, post)
	switch {
	case a.Verdict == verdict.Accepted && (resp == nil || resp.StatusCode/100 != 2):
		return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {protobuf}}, Body: http.NoBody, Request: req}, nil
	case a.Verdict == verdict.Accepted:
		return resp, nil
	case resp == nil || verdict.HTTP(resp.StatusCode) != a.Answer: // no answer of the server, or an error of this extension after one
		return nil, a.Err
	}
	t.d.retryableHTTP(resp)
	return resp, nil
}

// try makes one attempt. It reads the answer, so that its connection can be reused.
func (t *roundTripper) try(r *http.Request, signal parts.Signal) (*http.Response, dispatch.Answer) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, dispatch.Answer{Err: err}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close()
	if err != nil {
		return nil, dispatch.Answer{Err: err}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	a := dispatch.Answer{Answer: verdict.HTTP(resp.StatusCode)}
	if a.Verdict == verdict.Accepted {
		if resp.Header.Get("Content-Type") == protobuf {
			a.Rejected = rejected(signal, body)
		}
		return resp, a
	}
	a.Err = fmt.Errorf("%s answers %s", r.URL.Redacted(), resp.Status)
	return resp, a
}

// retryableHTTP converts a status that is not a verdict on the data to one that OTLP exporters retry, and bounds the requested delay.
func (d *deadLetter) retryableHTTP(resp *http.Response) {
	if !verdict.HTTP(resp.StatusCode).Again() {
		return
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		resp.Header = resp.Header.Clone()
		resp.Header.Set("Penstock-Status", resp.Status)
		resp.StatusCode = http.StatusServiceUnavailable
		resp.Status = strconv.Itoa(http.StatusServiceUnavailable) + " " + http.StatusText(http.StatusServiceUnavailable)
	}
	if value := resp.Header.Get("Retry-After"); value != "" {
		wait := min(verdict.RetryAfter(value, time.Now()), d.cfg.MaxDelay)
		resp.Header.Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
	}
}

func signalOf(path string) parts.Signal {
	for _, signal := range []parts.Signal{parts.Logs, parts.Metrics, parts.Traces} {
		if strings.HasSuffix(path, "/v1/"+string(signal)) {
			return signal
		}
	}
	return ""
}

func decodes(coding string) bool { return coding == "" || coding == "gzip" || coding == "zstd" }

func decompress(body []byte, coding string) ([]byte, error) {
	switch coding {
	case "gzip":
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case "zstd":
		r, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	return body, nil
}
