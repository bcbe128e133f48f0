package lokipush

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// JSON decodes the JSON form of a push request with at most maxEntries entries: {"streams": [{"stream": {"name": "value"}, "values":
// [["<time in ns>", "line", {"name": "value"}]]}]}.
//
// It decodes one entry after the other, so that a request of many empty entries needs no more memory than its limit allows.
func JSON(body []byte, maxEntries int) ([]Stream, error) {
	var request struct {
		Streams json.RawMessage `json:"streams"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&request); err != nil {
		return nil, fmt.Errorf("%w in JSON", ErrMalformed)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: data follows the JSON value", ErrMalformed)
	}
	var streams []Stream
	left := maxEntries
	err := elements(request.Streams, func(raw json.RawMessage) error {
		if len(streams) == maxEntries {
			return ErrTooMany
		}
		s, err := jsonStream(raw, &left)
		streams = append(streams, s)
		return err
	})
	return streams, err
}

// elements calls visit with each element of a list, which is a part of valid JSON.
func elements(list json.RawMessage, visit func(json.RawMessage) error) error {
	if len(list) == 0 || list[0] != '[' {
		return fmt.Errorf("%w: streams or values is not a list", ErrMalformed)
	}
	d := json.NewDecoder(bytes.NewReader(list))
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("%w in JSON", ErrMalformed)
	}
	for d.More() {
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return fmt.Errorf("%w in JSON", ErrMalformed)
		}
		if err := visit(one); err != nil {
			return err
		}
	}
	return nil
}

func jsonStream(raw json.RawMessage, left *int) (Stream, error) {
	var s Stream
	var from struct {
		Stream json.RawMessage `json:"stream"`
		Values json.RawMessage `json:"values"`
	}
	if err := json.Unmarshal(raw, &from); err != nil {
		return s, fmt.Errorf("%w: a stream is not an object", ErrMalformed)
	}
	labels, badLabels := pairs(from.Stream)
	s.Labels = labels
	err := elements(from.Values, func(raw json.RawMessage) error {
		if *left--; *left < 0 {
			return ErrTooMany
		}
		if badLabels != nil {
			s.reject(1, errLabels)
			return nil
		}
		e, err := jsonEntry(raw)
		if err != nil {
			s.reject(1, err)
			return nil
		}
		s.Entries = append(s.Entries, e)
		return nil
	})
	return s, err
}

// jsonEntry reads [time, line] or [time, line, metadata].
func jsonEntry(raw json.RawMessage) (Entry, error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil || len(parts) < 2 || len(parts) > 3 {
		return Entry{}, errEntry
	}
	var e Entry
	at := strings.Trim(string(parts[0]), `"`) // the time is a string of digits, or a number
	nanos, err := strconv.ParseInt(at, 10, 64)
	if err != nil || nanos < 0 {
		return Entry{}, errTime
	}
	e.Nanos = nanos
	if t, ok := logvalue.Since1970(nanos); ok { // seconds to microseconds, which careless clients send, would be in 1970
		e.Nanos = t.UnixNano()
	}
	if parts[1][0] != '"' || json.Unmarshal(parts[1], &e.Line) != nil {
		return Entry{}, errEntry
	}
	if len(parts) == 3 {
		if e.Metadata, err = pairs(parts[2]); err != nil {
			return Entry{}, errEntry
		}
	}
	return e, nil
}

// pairs reads an object of strings, sorted by name. Numbers and booleans, which careless clients send, become their text.
func pairs(raw json.RawMessage) ([]Pair, error) {
	var values map[string]json.RawMessage
	if len(raw) == 0 || raw[0] == 'n' {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, err
	}
	if len(values) > maxPairs {
		return nil, errPairs
	}
	out := make([]Pair, 0, len(values))
	for name, value := range values {
		text := string(value)
		if value[0] == '"' {
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, err
			}
		}
		out = append(out, Pair{name, text})
	}
	slices.SortFunc(out, func(a, b Pair) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
