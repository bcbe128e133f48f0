// Package lokipush decodes the two forms of a request of Loki's push API: protobuf (push.proto, before snappy) and JSON.
//
// It decodes the protobuf wire format itself, so that a request of many empty entries needs no more memory than its limit allows. See
// https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs.
package lokipush

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/penstockhq/penstock/internal/protofield"
)

// maxPairs is how many labels a stream, or pieces of structured metadata an entry, may have.
const maxPairs = 1024

var (
	// ErrMalformed says that a request is not a push request: all of it is refused.
	ErrMalformed = errors.New("the body is not a push request")
	// ErrTooMany says that a request has too many entries.
	ErrTooMany = errors.New("the request has too many entries")

	errLabels = errors.New(`the labels must have the form {name="value"}`)
	errEntry  = errors.New("an entry is not [timestamp, line] or [timestamp, line, metadata]")
	errTime   = errors.New("a timestamp is not a number of nanoseconds since 1970")
	errPairs  = fmt.Errorf("more than %d labels or pieces of metadata", maxPairs)
)

// Pair is a label, or a piece of structured metadata.
type Pair struct{ Name, Value string }

// Entry is one log line.
type Entry struct {
	// Nanos is the entry's time in ns since 1970; 0: it has none.
	Nanos    int64
	Line     string
	Metadata []Pair
}

// Stream is a set of labels with its entries, in the order of the request.
type Stream struct {
	Labels  []Pair
	Entries []Entry
	// Rejected counts the refused entries, and Problem is the reason for the first. It contains no text of the request.
	Rejected int
	Problem  error
}

func (s *Stream) reject(n int, problem error) {
	s.Rejected += n
	if s.Problem == nil {
		s.Problem = problem
	}
}

// Protobuf decodes a push.PushRequest with at most maxEntries entries. The strings are copies.
func Protobuf(body []byte, maxEntries int) ([]Stream, error) {
	var streams []Stream
	left := maxEntries
	err := fields(body, func(number protowire.Number, value []byte, _ uint64) error {
		if number != 1 {
			return nil
		}
		if len(streams) == maxEntries {
			return ErrTooMany
		}
		s, err := stream(value, &left)
		if err == nil {
			streams = append(streams, s)
		}
		return err
	})
	return streams, err
}

func stream(message []byte, left *int) (Stream, error) {
	var s Stream
	labels := ""
	err := fields(message, func(number protowire.Number, value []byte, _ uint64) error {
		switch number {
		case 1:
			labels = string(value)
		case 2:
			if *left--; *left < 0 {
				return ErrTooMany
			}
			e, err := entry(value)
			switch {
			case errors.Is(err, errPairs):
				s.reject(1, err)
			case err != nil:
				return err
			default:
				s.Entries = append(s.Entries, e)
			}
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	if s.Labels, err = ParseLabels(labels); err != nil {
		s.reject(len(s.Entries), err)
		s.Entries = nil
	}
	return s, nil
}

func entry(message []byte) (Entry, error) {
	var e Entry
	tooMany := false
	err := fields(message, func(number protowire.Number, value []byte, _ uint64) error {
		switch number {
		case 1:
			return timestamp(&e.Nanos, value)
		case 2:
			e.Line = text(value)
		case 3:
			if tooMany = len(e.Metadata) == maxPairs; tooMany {
				return errPairs
			}
			var p Pair
			err := fields(value, func(number protowire.Number, value []byte, _ uint64) error {
				switch number {
				case 1:
					p.Name = text(value)
				case 2:
					p.Value = text(value)
				}
				return nil
			})
			e.Metadata = append(e.Metadata, p)
			return err
		}
		return nil
	})
	return e, err
}

// timestamp reads a google.protobuf.Timestamp.
func timestamp(nanos *int64, message []byte) error {
	var seconds, rest int64
	err := fields(message, func(number protowire.Number, _ []byte, n uint64) error {
		switch number {
		case 1:
			seconds = int64(n)
		case 2:
			rest = int64(int32(n))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if seconds < 0 || seconds > math.MaxInt64/1_000_000_000-1 || rest < 0 || rest > 999_999_999 {
		return fmt.Errorf("%w: a timestamp is out of range", ErrMalformed)
	}
	*nanos = seconds*1e9 + rest
	return nil
}

// text converts bytes to valid UTF-8, as JSON decoders do.
func text(value []byte) string {
	if utf8.Valid(value) {
		return string(value)
	}
	return strings.ToValidUTF8(string(value), "\uFFFD")
}

// fields calls visit with each field of a message, as [protofield.Each].
func fields(message []byte, visit func(number protowire.Number, value []byte, n uint64) error) error {
	err := protofield.Each(message, visit)
	if errors.Is(err, protofield.ErrTag) || errors.Is(err, protofield.ErrValue) {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return err
}

// ParseLabels reads the text form of labels: {name="value", other="value"}, each value quoted as in Go.
func ParseLabels(s string) ([]Pair, error) {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return nil, errLabels
	}
	s = strings.TrimSpace(s[1 : len(s)-1])
	var pairs []Pair
	for s != "" {
		name, rest, ok := strings.Cut(s, "=")
		name = strings.TrimSpace(name)
		if !ok || !isName(name) {
			return nil, errLabels
		}
		quoted, err := strconv.QuotedPrefix(strings.TrimSpace(rest))
		if err != nil || quoted[0] == '\'' {
			return nil, errLabels
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, errLabels
		}
		if len(pairs) == maxPairs {
			return nil, errPairs
		}
		pairs = append(pairs, Pair{name, strings.ToValidUTF8(value, "\uFFFD")})
		s = strings.TrimSpace(strings.TrimSpace(rest)[len(quoted):])
		if s == "" {
			break
		}
		if s[0] != ',' {
			return nil, errLabels
		}
		s = strings.TrimSpace(s[1:])
	}
	return pairs, nil
}

// isName reports whether s may be a label's name. Prometheus' names have no dots, but clients send them.
func isName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '_', c == '.', c == ':', c == '-', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case '0' <= c && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return s != ""
}
