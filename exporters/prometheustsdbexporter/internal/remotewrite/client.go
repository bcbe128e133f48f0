package remotewrite

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/lentbody"
	"github.com/penstockhq/penstock/internal/verdict"
)

const (
	// maxErrorBody bounds how much of a refusal is read: it lists the refused samples.
	maxErrorBody = 8 << 10
	maxRedirects = 5
)

// Counts are samples, native histograms and exemplars.
type Counts struct{ Samples, Histograms, Exemplars int }

// All is the number of samples of both kinds.
func (c Counts) All() int { return c.Samples + c.Histograms }

// Response is a receiver's answer.
type Response struct {
	Status     int
	Body       string        // the text of a refusal, shortened
	RetryAfter time.Duration // 0: absent
	Written    Counts        // V2
	Confirmed  bool          // V2: the answer says what was written, so the receiver supports 2.0
}

// OK reports whether the receiver accepted the request.
func (r Response) OK() bool { return r.Status/100 == 2 }

// Retryable reports whether the request is to be sent again: the receiver can't accept it now, or not before an operator has corrected
// credentials, address or protocol. An expired token says nothing about the samples.
func (r Response) Retryable() bool { return verdict.HTTP(r.Status).Again() && !r.rolledBack() }

// rolledBack reports a 500 that is about the data: no sample of the request is stored.
func (r Response) rolledBack() bool {
	return r.Status == http.StatusInternalServerError && isDataError(r.Body)
}

// undecided reports whether a part of a request may be stored although it is to be sent again.
func (r Response) undecided() bool {
	return verdict.HTTP(r.Status).Verdict == verdict.Retry && r.Status != http.StatusTooManyRequests
}

// err is the error of a request that is to be sent again.
func (r Response) err() error {
	if verdict.HTTP(r.Status).Verdict == verdict.Operator {
		return fmt.Errorf("the receiver answers %d (%s); samples wait until credentials, address or permissions are corrected: %s",
			r.Status, http.StatusText(r.Status), r.Body)
	}
	return fmt.Errorf("the receiver answers %d: %s", r.Status, r.Body)
}

// Client posts requests to one URL. Safe for concurrent use.
type Client struct {
	http      *http.Client
	url       string
	userAgent string
}

// NewClient returns a client for url. It follows a redirection only if that keeps the method: net/http turns a POST answered with 301 into
// a GET, and a page found there would look like a receiver that accepted the samples.
func NewClient(client *http.Client, url, userAgent string) *Client {
	own := *client
	own.CheckRedirect = func(next *http.Request, before []*http.Request) error {
		if next.Method != http.MethodPost || len(before) > maxRedirects {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &Client{&own, url, userAgent}
}

// Send posts a compressed request of version v, and does not use payload after it returns. header is added to the request. An error means
// that there was no answer.
func (c *Client) Send(ctx context.Context, v Version, payload []byte, header http.Header) (Response, error) {
	req, end, err := lentbody.NewRequest(ctx, http.MethodPost, c.url, payload)
	if err != nil {
		return Response{}, fmt.Errorf("make the request: %w", err)
	}
	defer end()
	for k, vs := range header {
		req.Header[k] = vs
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", contentType(v))
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Set("X-Prometheus-Remote-Write-Version", v.String())
	resp, err := c.http.Do(req)
	if err != nil {
		return Response{}, fmt.Errorf("remote write: %w", err)
	}
	defer resp.Body.Close()
	r := Response{Status: resp.StatusCode}
	if !r.OK() {
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		if err != nil {
			text = append(text, " (cut off)"...)
		}
		r.Body = strings.TrimSpace(string(text))
		if to := resp.Header.Get("Location"); to != "" {
			r.Body = "see " + to
		}
		r.RetryAfter = verdict.RetryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody)) // so that the connection is reused
	if v == V2 {
		r.Written.Samples = written(resp.Header, "X-Prometheus-Remote-Write-Samples-Written", &r.Confirmed)
		r.Written.Histograms = written(resp.Header, "X-Prometheus-Remote-Write-Histograms-Written", &r.Confirmed)
		r.Written.Exemplars = written(resp.Header, "X-Prometheus-Remote-Write-Exemplars-Written", &r.Confirmed)
	}
	return r, nil
}

func contentType(v Version) string {
	if v == V2 {
		return "application/x-protobuf;proto=io.prometheus.write.v2.Request"
	}
	return "application/x-protobuf"
}

func written(h http.Header, name string, confirmed *bool) int {
	n, err := strconv.Atoi(h.Get(name))
	if err != nil || n < 0 {
		return 0
	}
	*confirmed = true
	return n
}
