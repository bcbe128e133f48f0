package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzDecode feeds the request decoder. It must not panic, and its output must be in proportion to its input.
func FuzzDecode(f *testing.F) {
	for key, v := range versions {
		for version := v.min; version <= v.max; version++ {
			q := kmsg.RequestForKey(key)
			q.SetVersion(version)
			raw := kmsg.NewRequestFormatter(kmsg.FormatterClientID("fuzz")).AppendRequest(nil, q, 1)
			f.Add(raw[4:])
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < headerBytes {
			return
		}
		r, err := decode(raw[:headerBytes], raw[headerBytes:])
		if err != nil {
			return
		}
		if q, ok := r.Request.(*kmsg.ProduceRequest); ok {
			n := len(q.Topics)
			for _, topic := range q.Topics {
				n += len(topic.Partitions)
			}
			if n > 2*maxPieces {
				t.Fatalf("%d topics and partitions", n)
			}
		}
	})
}
