package logfilesreceiver_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// The positions of file_log are imported in both of its formats, and each for its own file, although others begin the same.
func TestPositionsOfFileLogAreTakenOver(t *testing.T) {
	first := strings.Repeat("#", 999) + "\n"
	for _, format := range []string{"json", "protobuf"} {
		t.Run(format, func(t *testing.T) {
			b := newBench(t)
			b.write("a.log", first+"a 1\na 2\n")
			b.write("b.log", first+"b 1\n")
			attributes, err := json.Marshal(map[string]string{"log.file.path": b.path("a.log")})
			require.NoError(t, err)
			offset := len(first) + len("a 1\n")
			var text []byte
			if format == "json" {
				text = fmt.Appendf(nil, "1\n"+`{"Fingerprint":{"first_bytes":%s},"Offset":%d,"RecordNum":2,"FileAttributes":%s}`+"\n", encoded(t, first), offset, attributes)
			} else {
				var print, metadata []byte
				print = protowire.AppendBytes(protowire.AppendTag(print, 1, protowire.BytesType), []byte(first))
				metadata = protowire.AppendBytes(protowire.AppendTag(metadata, 1, protowire.BytesType), print)
				metadata = protowire.AppendVarint(protowire.AppendTag(metadata, 2, protowire.VarintType), uint64(offset))
				metadata = protowire.AppendBytes(protowire.AppendTag(metadata, 4, protowire.BytesType), attributes)
				text = protowire.AppendBytes(protowire.AppendTag(text, 1, protowire.BytesType), metadata)
			}
			b.memory.values["filelog/file_input.knownFiles"] = text
			b.start()
			b.awaitLines(3)
			b.stop()
			assert.ElementsMatch(t, []string{"a 2", strings.TrimSpace(first), "b 1"}, b.bodies())
		})
	}
}

func encoded(t *testing.T, text string) string {
	t.Helper()
	out, err := json.Marshal([]byte(text))
	require.NoError(t, err)
	return string(out)
}
