package parse_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/parse"
)

// A line is parsed as JSON exactly if encoding/json calls it an object, and then has the same members and texts.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1,"b":[1,2.5,-0,1e400,{"c":null}],"d":true,"e":false}`, `{"a":"x\\\"y\u00e9\ud834\udd1e\ud834"}`, `{"a":12345678}`, `{"a":"1234567`,
		`{"a":"1234567"`, `{"a":"1234567\t"}`, "{\"a\":\"1234567\t\"}", "{\"a\":\"\x7f\x80 more than eight\"}", `{"a":01}`, `{"a":+1}`, `{"a":-}`, `{"a":1}}`, `{"a":1,}`,
		`{"a":999999999999999999,"b":9223372036854775807,"c":9223372036854775808,"d":-9223372036854775808}`, `{"a":1,"a":{"b":1}}`, ` { "a" : [ ] } `,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !strings.HasPrefix(text, "{") || strings.Contains(text, "\n") {
			return
		}
		r := plog.NewLogRecord()
		_, large := new(parse.Parser).Record(text, -1, logvalue.Clock{Now: now}, r)
		var want map[string]any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		isObject := json.Valid([]byte(text)) && decoder.Decode(&want) == nil
		if large || len(want) == 0 || !isObject {
			return // text that is not JSON can have attributes of another format
		}
		for key, value := range want {
			attribute, ok := r.Attributes().Get(key)
			if text, isText := value.(string); ok && isText && strings.ToValidUTF8(text, "") == text && !strings.Contains(text, "\ufffd") {
				assert.Equal(t, text, attribute.Str(), "%q", key)
			}
			if number, isNumber := value.(json.Number); ok && isNumber {
				if n, err := number.Int64(); err == nil && number != "-0" {
					assert.Equal(t, n, attribute.Int(), "%q", key)
				}
			}
		}
	})
}

// One parser parses line after line, and keeps nothing of a line for the next.
func TestAParserForgetsLines(t *testing.T) {
	var p parse.Parser
	for _, line := range []string{`{"a":{"b":1},"c":"x","level":"info","msg":"one"}`, `{"c":null,"c":1,"broken`, `c=2 d=3 level=warn`, `c=2 d="`, `{"e":[1]}`, `{}`, `text`} {
		got, want := plog.NewLogRecord(), plog.NewLogRecord()
		p.Record(line, -1, logvalue.Clock{Now: now}, got)
		new(parse.Parser).Record(line, -1, logvalue.Clock{Now: now}, want)
		assert.Equal(t, want.Attributes().AsRaw(), got.Attributes().AsRaw(), line)
		assert.Equal(t, want.Body().AsRaw(), got.Body().AsRaw(), line)
		assert.Equal(t, want.SeverityNumber(), got.SeverityNumber(), line)
	}
}

// Whatever is in a string, and at any position, the string ends where it should.
func TestStringsOfAllLengths(t *testing.T) {
	for length := range 40 {
		for at := range length + 1 {
			for _, special := range []string{``, `\"`, `\\`, `\n`, `\u0041`, "é", "\x7f"} {
				text := strings.Repeat("x", at) + special + strings.Repeat("y", length-at)
				var want string
				assert.NoError(t, json.Unmarshal([]byte(`"`+text+`"`), &want))
				r, _ := record(t, `{"k":"`+text+`","z":1}`)
				value, _ := r.Attributes().Get("k")
				assert.Equal(t, want, value.Str())
				_, both := r.Attributes().Get("z")
				assert.True(t, both)
			}
			r, _ := record(t, `{"k":"`+strings.Repeat("x", at)+"\x1f"+strings.Repeat("y", length-at)+`","z":1}`)
			assert.Zero(t, r.Attributes().Len(), "a control character is no JSON")
		}
	}
}
