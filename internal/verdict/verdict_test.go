package verdict_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"

	"github.com/penstockhq/penstock/internal/verdict"
)

func ExampleHTTP() {
	for _, status := range []int{204, 400, 401, 429} {
		fmt.Println(status, verdict.HTTP(status).Verdict)
	}
	// Output:
	// 204 accepted
	// 400 data
	// 401 operator
	// 429 retry
}

// Every status that has a name in net/http, and some that proxies have invented.
func TestHTTP(t *testing.T) {
	const (
		accepted = verdict.Accepted
		retry    = verdict.Retry
		operator = verdict.Operator
		data     = verdict.Data
	)
	for v, statuses := range map[verdict.Verdict][]int{
		accepted: {200, 201, 202, 203, 204, 205, 206, 207, 208, 226},
		retry:    {408, 423, 425, 429, 499, 500, 502, 503, 504, 506, 507, 508, 510, 520, 522, 529, 530, 599},
		operator: {0, 100, 101, 301, 302, 303, 304, 307, 308, 401, 402, 403, 404, 405, 406, 407, 410, 411, 412, 414, 415, 417, 421, 426,
			428, 431, 451, 501, 505, 511, 600, 999},
		data: {400, 409, 413, 416, 418, 422, 424, 444, 460},
	} {
		for _, status := range statuses {
			a := verdict.HTTP(status)
			assert.Equal(t, v.String(), a.Verdict.String(), "%d %s", status, http.StatusText(status))
			assert.Equal(t, status == 413, a.TooLarge, status)
			assert.Equal(t, status == 500, a.Doubtful, status)
			assert.Equal(t, v == retry || v == operator, a.Again(), status)
		}
	}
}

func TestGRPC(t *testing.T) {
	for v, all := range map[verdict.Verdict][]codes.Code{
		verdict.Accepted: {codes.OK},
		verdict.Retry: {codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss,
			codes.ResourceExhausted, codes.Internal, codes.Unknown, 17, 255},
		verdict.Operator: {codes.Unauthenticated, codes.PermissionDenied, codes.NotFound, codes.Unimplemented, codes.FailedPrecondition},
		verdict.Data:     {codes.InvalidArgument, codes.AlreadyExists},
	} {
		for _, code := range all {
			a := verdict.GRPC(code, "the server says so")
			assert.Equal(t, v.String(), a.Verdict.String(), code)
			assert.False(t, a.TooLarge, code)
			assert.Equal(t, code == codes.Internal || code == codes.Unknown, a.Doubtful, code)
		}
	}
}

// Texts of grpc-go, grpc-java and tonic.
func TestMessagesThatAreTooLargeAreNoOverload(t *testing.T) {
	for _, text := range []string{
		"grpc: received message larger than max (5242890 vs. 4194304)",
		"grpc: received message after decompression larger than max 4194304",
		"trying to send message larger than max (9 vs. 4)",
		"gRPC message exceeds maximum size 4194304: 5242890",
		"Error, message length too large: found 5242890 bytes, the limit is: 4194304 bytes",
	} {
		assert.Equal(t, verdict.Answer{Verdict: verdict.Data, TooLarge: true}, verdict.GRPC(codes.ResourceExhausted, text), text)
		assert.Equal(t, verdict.Answer{Verdict: verdict.Retry}, verdict.GRPC(codes.Unavailable, text), "the code decides")
	}
}

// An unknown status never counts as success.
func FuzzHTTP(f *testing.F) {
	f.Add(200)
	f.Fuzz(func(t *testing.T, status int) {
		a := verdict.HTTP(status)
		assert.Equal(t, status >= 200 && status < 300, a.Verdict == verdict.Accepted)
		assert.NotEmpty(t, a.Verdict.String())
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, " 3 ": 3 * time.Second, "-3": 0, "soon": 0, "1.5": 0,
		"9223372036854775807":           verdict.MaxRetryAfter,
		"31536000":                      verdict.MaxRetryAfter,
		"Fri, 01 Jan 2027 00:00:00 GMT": verdict.MaxRetryAfter,
		"Thu, 01 Jan 2026 00:00:07 GMT": 7 * time.Second,
		"Wed, 31 Dec 2025 00:00:00 GMT": 0,
	} {
		assert.Equal(t, want, verdict.RetryAfter(value, now), "%q", value)
	}
}
