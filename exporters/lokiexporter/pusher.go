package lokiexporter

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/pushrequest"
	"github.com/penstockhq/penstock/internal/lentbody"
	"github.com/penstockhq/penstock/internal/verdict"
)

// maxAnswerBytes bounds how much of a refusal is read: Loki lists each message once, but messages contain times and streams, so there can
// be many.
const maxAnswerBytes = 4 << 20

// answer is the answer to one request, from Loki or from a proxy in front of it.
type answer struct {
	status     int
	body       string // unless it is a success
	retryAfter time.Duration
}

// statusBlocked is Loki's own status for a tenant whose ingestion an operator has blocked until some time (block_ingestion_until). Loki
// stores nothing, but the status looks like a success, so that clients which drop refused data don't log errors.
const statusBlocked = 260

func (a answer) accepted() bool {
	return verdict.HTTP(a.status).Verdict == verdict.Accepted && a.status != statusBlocked
}

// retryable answers are no verdict on the data: too much, not now, not here, or the sender may not send. An expired token must not lose
// accepted entries.
func (a answer) retryable() bool { return verdict.HTTP(a.status).Again() || a.status == statusBlocked }

// pusher posts push requests. Safe for concurrent use.
type pusher struct {
	http     *http.Client
	url      string
	encoding string

	gzips sync.Pool // of *gzip.Writer
}

// encode compresses a request that pushrequest.AppendStream wrote, into dst's memory if that suffices.
func (c *pusher) encode(dst, request []byte) ([]byte, error) {
	if c.encoding == encodingProtobuf {
		if need := s2.MaxEncodedLen(len(request)); cap(dst) < need {
			dst = make([]byte, need)
		}
		return s2.EncodeSnappy(dst[:cap(dst)], request), nil
	}
	document, err := pushrequest.JSON(request, labelMap)
	if err != nil {
		return nil, err
	}
	out := bytes.NewBuffer(dst[:0])
	zip, ok := c.gzips.Get().(*gzip.Writer)
	if !ok {
		zip = gzip.NewWriter(nil)
	}
	defer c.gzips.Put(zip)
	zip.Reset(out)
	if _, err := zip.Write(document); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// post sends an encoded request, and does not use body after it returns. err means that there was no answer.
func (c *pusher) post(ctx context.Context, tenant string, body []byte, now func() time.Time) (answer, error) {
	req, end, err := lentbody.NewRequest(ctx, http.MethodPost, c.url, body)
	if err != nil {
		return answer{}, err
	}
	defer end()
	if c.encoding == encodingProtobuf {
		req.Header.Set("Content-Type", "application/x-protobuf")
	} else {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Content-Encoding", "gzip")
	}
	if tenant != "" {
		req.Header.Set(tenantHeader, tenant)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("push to %s: %w", c.url, err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, retryAfter: verdict.RetryAfter(resp.Header.Get("Retry-After"), now())}
	if a.accepted() {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswerBytes)) // so that the connection is reused
		return a, nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return answer{}, fmt.Errorf("push to %s: read answer %d: %w", c.url, resp.StatusCode, err)
	}
	a.body = strings.TrimSpace(string(text))
	return a, nil
}

// statusError is an answer that is not a success.
type statusError struct {
	answer answer
	tenant string
}

func (e *statusError) Error() string {
	const maxText = 512
	text := e.answer.body
	if len(text) > maxText {
		text = text[:maxText] + "..."
	}
	return fmt.Sprintf("loki answered %d to tenant %q: %s", e.answer.status, e.tenant, text)
}
