package entry_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/receivers/systemdjournalreceiver/internal/entry"
)

// bytes is text in journalctl's form for unprintable data.
func bytes(text string) string {
	numbers := make([]int, len(text))
	for i := range numbers {
		numbers[i] = int(text[i])
	}
	list, _ := json.Marshal(numbers)
	return string(list)
}

func TestParse(t *testing.T) {
	long := strings.Repeat("long ", 2000)
	for line, want := range map[string]struct {
		body       string
		entry      entry.Entry
		severity   plog.SeverityNumber
		attributes map[string]any
	}{
		`{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1764464400000001","MESSAGE":"hello","PRIORITY":"3","_SYSTEMD_UNIT":"nginx.service","_HOSTNAME":"web-1"}`: {
			"hello", entry.Entry{Cursor: "s=1;i=2", Host: "web-1", Service: "nginx"}, plog.SeverityNumberError,
			map[string]any{"__CURSOR": "s=1;i=2", "PRIORITY": "3", "_SYSTEMD_UNIT": "nginx.service", "_HOSTNAME": "web-1"}},
		`{"MESSAGE":` + bytes(long+"\x1b[1m") + `}`:        {body: long + "\x1b[1m"},
		`{"MESSAGE":` + bytes("caf\xe9") + `}`:             {body: "caf\uFFFD", attributes: map[string]any{"log.record.original": []byte("caf\xe9")}},
		`{"MESSAGE":["one","two"],"A":["x",[1,255],null]}`: {body: "one\ntwo", attributes: map[string]any{"A": []any{"x", []byte{1, 255}, nil}}},
		`{"MESSAGE":null,"B":[0,255],"C":null,"D":[]}`:     {attributes: map[string]any{"B": []byte{0, 255}, "C": nil, "D": ""}},
		`{"MESSAGE":"n","_SYSTEMD_UNIT":"docker.service","CONTAINER_NAME":"shop"}`: {body: "n", entry: entry.Entry{Service: "shop"},
			attributes: map[string]any{"_SYSTEMD_UNIT": "docker.service", "CONTAINER_NAME": "shop"}},
		`{"MESSAGE":"n","_SYSTEMD_UNIT":"user@1000.service","_SYSTEMD_USER_UNIT":"pipewire.service"}`: {body: "n", entry: entry.Entry{Service: "pipewire"},
			attributes: map[string]any{"_SYSTEMD_UNIT": "user@1000.service", "_SYSTEMD_USER_UNIT": "pipewire.service"}},
		`{"MESSAGE":"n","_SYSTEMD_UNIT":"session-3.scope","SYSLOG_IDENTIFIER":"sudo"}`: {body: "n", entry: entry.Entry{Service: "sudo"},
			attributes: map[string]any{"_SYSTEMD_UNIT": "session-3.scope", "SYSLOG_IDENTIFIER": "sudo"}},
		`{"MESSAGE":"n","_TRANSPORT":"kernel"}`: {body: "n", entry: entry.Entry{Service: "kernel"}, attributes: map[string]any{"_TRANSPORT": "kernel"}},
		`{}`:                                    {},
	} {
		r := plog.NewLogRecord()
		got, err := entry.Parse([]byte(line), r)
		require.NoError(t, err, line)
		assert.Equal(t, want.entry, got, line)
		assert.Equal(t, want.body, r.Body().AsString(), line)
		assert.Equal(t, want.severity, r.SeverityNumber(), line)
		if want.attributes == nil {
			want.attributes = map[string]any{}
		}
		assert.Equal(t, want.attributes, r.Attributes().AsRaw(), line)
	}
	for p, want := range []plog.SeverityNumber{plog.SeverityNumberFatal, plog.SeverityNumberError3, plog.SeverityNumberError2, plog.SeverityNumberError,
		plog.SeverityNumberWarn, plog.SeverityNumberInfo2, plog.SeverityNumberInfo, plog.SeverityNumberDebug} {
		r := plog.NewLogRecord()
		_, err := entry.Parse([]byte(`{"PRIORITY":"`+string(rune('0'+p))+`"}`), r)
		require.NoError(t, err)
		assert.Equal(t, want, r.SeverityNumber())
	}
}

func TestTimes(t *testing.T) {
	for line, want := range map[string]int64{
		`{"__REALTIME_TIMESTAMP":"1764464400000001"}`:                                                 2,
		`{"__REALTIME_TIMESTAMP":"1764464400000001","_SOURCE_REALTIME_TIMESTAMP":"1764464400000000"}`: 1,
		`{"__REALTIME_TIMESTAMP":"1764464400000001","_SOURCE_REALTIME_TIMESTAMP":"soon"}`:             2,
		`{}`: 0,
	} {
		r := plog.NewLogRecord()
		_, err := entry.Parse([]byte(line), r)
		require.NoError(t, err)
		times := map[int64]time.Time{0: time.Unix(0, 0), 1: time.UnixMicro(1764464400000000), 2: time.UnixMicro(1764464400000001)}
		assert.Equal(t, times[want].UTC(), r.Timestamp().AsTime(), line)
	}
}

func TestNoEntries(t *testing.T) {
	for _, line := range []string{"", "-- No entries --", `{"MESSAGE":`, `[]`, `{"MESSAGE":1}`, `{"A":[{}]}`, `{"A":[[[1,"x"],true]]}`} {
		r := plog.NewLogRecord()
		_, err := entry.Parse([]byte(line), r)
		assert.Error(t, err, line)
		assert.Zero(t, r.Attributes().Len())
	}
}

// No line panics.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"MESSAGE":[104,105],"PRIORITY":"6","A":["x",null]}`))
	f.Fuzz(func(_ *testing.T, line []byte) {
		_, _ = entry.Parse(line, plog.NewLogRecord())
	})
}
