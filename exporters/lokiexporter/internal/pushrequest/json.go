package pushrequest

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/grafana/loki/pkg/push"
)

// JSON turns a request written by AppendStream into the JSON form of Loki's push API: streams of [time in ns as text, line, metadata].
// labels returns each stream's labels as a map, from their text.
//
// It decodes the request first, so it costs several times as much as the protobuf form: it is for gateways that accept nothing else.
func JSON(request []byte, labels func(text string) map[string]string) ([]byte, error) {
	var decoded push.PushRequest
	if err := decoded.Unmarshal(request); err != nil {
		return nil, fmt.Errorf("decode request: %w", err)
	}
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][]any           `json:"values"`
	}
	out := struct {
		Streams []stream `json:"streams"`
	}{Streams: make([]stream, 0, len(decoded.Streams))}
	for _, s := range decoded.Streams {
		values := make([][]any, 0, len(s.Entries))
		for _, e := range s.Entries {
			value := []any{strconv.FormatInt(e.Timestamp.UnixNano(), 10), e.Line}
			if len(e.StructuredMetadata) > 0 {
				value = append(value, e.StructuredMetadata)
			}
			values = append(values, value)
		}
		out.Streams = append(out.Streams, stream{Stream: labels(s.Labels), Values: values})
	}
	return json.Marshal(out)
}
