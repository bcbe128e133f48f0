// Package verdict interprets a server's status for the data that was sent: one table for HTTP and one for gRPC, for every exporter and queue that
// must not lose accepted data.
//
// A protocol's own list of "retryable" statuses is written for senders that may drop data: OTLP and remote write count an expired token among the
// refusals. For a journal or a queue on disk it is not one: nothing is wrong with the data, and an operator will correct the token.
package verdict

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// Verdict is what a sender does after a status.
type Verdict uint8

const (
	// Retry: the server can't accept the request now; the same request may succeed later. The zero value, so that an unknown status loses nothing.
	Retry Verdict = iota
	// Accepted: the server has accepted the request.
	Accepted
	// Operator: the server accepts no request like this from this sender until an operator corrects credentials, address, protocol or quota. The
	// sender retries without end and reports it.
	Operator
	// Data: the server has checked the data and refuses it. A retry changes nothing.
	Data
)

// String is the verdict in logs and attributes.
func (v Verdict) String() string {
	switch v {
	case Accepted:
		return "accepted"
	case Operator:
		return "operator"
	case Data:
		return "data"
	}
	return "retry"
}

// Answer is the meaning of one status.
type Answer struct {
	Verdict Verdict
	// TooLarge: the request is larger than the server accepts; its parts may succeed. With Data: a single item is refused permanently.
	TooLarge bool
	// Doubtful: servers return this status both for their own errors and for data that makes them fail. If other requests succeed meanwhile, divide
	// the request and set aside the single item that still fails; never drop a whole request for it.
	Doubtful bool
}

// Again reports whether the request is to be sent again unchanged.
func (a Answer) Again() bool { return a.Verdict == Retry || a.Verdict == Operator }

// HTTP returns the meaning of an HTTP status (RFC 9110, OTLP/HTTP, remote write 2.0, Loki's push API). A redirection that reaches the caller was
// not followed: the address is wrong.
func HTTP(status int) Answer {
	switch {
	case status/100 == 2:
		return Answer{Verdict: Accepted}
	case status/100 == 5:
		return serverHTTP(status)
	case status/100 != 4: // 1xx, 3xx and invalid ones: not a server of this protocol
		return Answer{Verdict: Operator}
	}
	switch status {
	case http.StatusRequestTimeout, http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests,
		499: // nginx: the client closed the connection
		return Answer{Verdict: Retry}
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusNotAcceptable, http.StatusProxyAuthRequired, http.StatusGone, http.StatusLengthRequired, http.StatusPreconditionFailed,
		http.StatusRequestURITooLong, http.StatusUnsupportedMediaType, http.StatusExpectationFailed, http.StatusMisdirectedRequest,
		http.StatusUpgradeRequired, http.StatusPreconditionRequired, http.StatusRequestHeaderFieldsTooLarge,
		http.StatusUnavailableForLegalReasons:
		return Answer{Verdict: Operator}
	case http.StatusRequestEntityTooLarge:
		return Answer{Verdict: Data, TooLarge: true}
	}
	return Answer{Verdict: Data}
}

func serverHTTP(status int) Answer {
	switch status {
	case http.StatusInternalServerError:
		return Answer{Verdict: Retry, Doubtful: true} // The collector's OTLP receiver answers 500 to permanent errors.
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusNetworkAuthenticationRequired:
		return Answer{Verdict: Operator}
	}
	return Answer{Verdict: Retry}
}

// largerThanMax are the words with which gRPC libraries refuse a message for its size, under a code that also means "busy".
var largerThanMax = []string{
	"larger than max",        // grpc-go, and C++ and Python
	"exceeds maximum size",   // grpc-java
	"exceeds the configured", // grpc-dotnet
	"message length too",     // tonic
	"message too large",      // proxies
	"request body too large",
}

// GRPC returns the meaning of a gRPC code with its message. The message matters only for RESOURCE_EXHAUSTED: servers use that code both when they
// are busy and when a message is too large.
func GRPC(code codes.Code, message string) Answer {
	switch code {
	case codes.OK:
		return Answer{Verdict: Accepted}
	case codes.InvalidArgument, codes.AlreadyExists:
		return Answer{Verdict: Data}
	case codes.Unauthenticated, codes.PermissionDenied, codes.NotFound, codes.Unimplemented,
		codes.FailedPrecondition: // by its definition: not before the server's state was corrected
		return Answer{Verdict: Operator}
	case codes.ResourceExhausted:
		text := strings.ToLower(message)
		for _, words := range largerThanMax {
			if strings.Contains(text, words) {
				return Answer{Verdict: Data, TooLarge: true}
			}
		}
		return Answer{Verdict: Retry}
	case codes.Internal, codes.Unknown:
		return Answer{Verdict: Retry, Doubtful: true} // A handler's panic or plain error, a broken stream, a proxy's page.
	}
	// CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS, and codes that don't exist.
	return Answer{Verdict: Retry}
}

// MaxRetryAfter is the longest wait that a server can ask for. A wrong clock or unit asks for days or years, in which nothing would be delivered although
// the server is back; a request an hour costs a server nothing that really means it.
const MaxRetryAfter = time.Hour

// RetryAfter parses the header of that name: seconds or a date (RFC 9110, section 10.2.3), at most MaxRetryAfter. 0 if it is missing, in the past, or invalid.
func RetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if seconds, err := strconv.Atoi(value); err == nil {
		const most = int(MaxRetryAfter / time.Second) // also because many seconds overflow a Duration
		return time.Duration(min(max(seconds, 0), most)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), MaxRetryAfter)
	}
	return 0
}
