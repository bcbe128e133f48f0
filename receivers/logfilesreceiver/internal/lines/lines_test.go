package lines_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/join"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/lines"
)

// encoded returns text in UTF-16.
func encoded(order binary.AppendByteOrder, text string) (raw []byte) {
	for _, unit := range utf16.Encode([]rune(text)) {
		raw = order.AppendUint16(raw, unit)
	}
	return raw
}

func TestDetect(t *testing.T) {
	for name, c := range map[string]struct {
		head []byte
		want lines.Encoding
		mark int64
	}{
		"nothing":                    {nil, lines.UTF8, 0},
		"ASCII":                      {[]byte("2026-11-24 line"), lines.UTF8, 0},
		"a mark of UTF-8":            {[]byte("\ufeffline"), lines.UTF8, 3},
		"a mark of little endian":    {encoded(binary.LittleEndian, "\ufeffa"), lines.UTF16LE, 2},
		"a mark of big endian":       {encoded(binary.BigEndian, "\ufeffa"), lines.UTF16BE, 2},
		"little endian":              {encoded(binary.LittleEndian, "a plain line"), lines.UTF16LE, 0},
		"big endian":                 {encoded(binary.BigEndian, "a plain line"), lines.UTF16BE, 0},
		"half of a mark":             {[]byte("\xff"), lines.UTF8, 0},
		"a hole":                     {make([]byte, 600), lines.UTF8, 0},
		"text behind a hole":         {append(make([]byte, 300), []byte(strings.Repeat("text ", 50))...), lines.UTF8, 0},
		"a text with one zero":       {[]byte("a\x00text with a zero"), lines.UTF8, 0},
		"ASCII with zeros as spaces": {[]byte("some\x00names\x00between\x00zeros\x00here"), lines.UTF8, 0},
	} {
		got, mark := lines.Detect(c.head)
		assert.Equal(t, c.want, got, name)
		assert.Equal(t, c.mark, mark, name)
	}
}

// A newline in UTF-16 is two bytes in one character, not any byte 10.
func TestNewlines(t *testing.T) {
	for _, e := range []struct {
		encoding lines.Encoding
		order    binary.AppendByteOrder
	}{{lines.UTF16LE, binary.LittleEndian}, {lines.UTF16BE, binary.BigEndian}} {
		raw := encoded(e.order, "ਅ਀Ċഀ\nx")
		end, next := e.encoding.Newline(raw)
		assert.Equal(t, 8, end)
		assert.Equal(t, 10, next)
		end, _ = e.encoding.Newline(raw[:9])
		assert.Negative(t, end, "half a newline is none yet")
		end, _ = e.encoding.Newline(raw[10:])
		assert.Negative(t, end)
	}
	end, next := lines.UTF8.Newline([]byte("ab\n\n"))
	assert.Equal(t, 2, end)
	assert.Equal(t, 3, next)
}

// A line is cut between characters, in any encoding.
func TestWholeCharacters(t *testing.T) {
	text := "aä€𝄞"
	for n := 1; n <= len(text); n++ {
		cut := lines.UTF8.Whole([]byte(text), n)
		assert.True(t, utf8.ValidString(text[:cut]), "%d", n)
		assert.Greater(t, cut, max(0, n-utf8.UTFMax), "%d", n)
	}
	for encoding, order := range map[lines.Encoding]binary.AppendByteOrder{lines.UTF16LE: binary.LittleEndian, lines.UTF16BE: binary.BigEndian} {
		raw := encoded(order, "ab𝄞c")
		assert.Equal(t, 4, encoding.Whole(raw, 6), "both halves of a pair stay together")
		assert.Equal(t, 4, encoding.Whole(raw, 7))
		assert.Equal(t, 8, encoding.Whole(raw, 8))
		assert.Equal(t, 2, encoding.Whole(raw, 3))
	}
}

const stamp = "2026-11-24T05:00:06.123456789Z "

// got is the output of streams: stream, part and text.
type got struct {
	stream string
	part   int
	text   string
}

// feed passes text line by line.
func feed(s *lines.Streams, texts ...string) (all []got) {
	out := func(r join.Record) { all = append(all, got{r.Stream, r.Part, r.Text}) }
	at := int64(0)
	for _, text := range texts {
		s.Add(join.Line{Text: text, Start: at, End: at + int64(len(text)) + 1}, time.Unix(0, 0), out)
		at += int64(len(text)) + 1
	}
	s.Flush(true, out)
	return all
}

func TestStreams(t *testing.T) {
	for name, c := range map[string]struct {
		in   []string
		want []got
	}{
		"plain": {[]string{"one", "two"}, []got{{"", 0, "one"}, {"", 0, "two"}}},
		"parts by stream": {[]string{stamp + "stderr P E1;", stamp + "stdout P O1;", stamp + "stderr F E2.", stamp + "stdout F O2."},
			[]got{{"stderr", 0, "E1;E2."}, {"stdout", 0, "O1;O2."}}},
		"tags behind the first": {[]string{stamp + "stdout P:a:b one ", stamp + "stdout F:x two"}, []got{{"stdout", 0, "one two"}}},
		"a character cut between parts": {[]string{stamp + "stdout P gr\xc3", stamp + "stdout F\xc2", stamp + "stdout F \xbcn"},
			[]got{{"stdout", 0, "grün"}, {"", 0, stamp + "stdout F\ufffd"}}},
		"a part whose rest never comes": {[]string{stamp + "stdout P waits"}, []got{{"stdout", 0, "waits"}}},
		"an empty part":                 {[]string{stamp + "stdout P ", stamp + "stdout F end"}, []got{{"stdout", 0, "end"}}},
		"no stream":                     {[]string{stamp + "stdlog F text"}, []got{{"", 0, stamp + "stdlog F text"}}},
		"no tag":                        {[]string{stamp + "stdout X text"}, []got{{"", 0, stamp + "stdout X text"}}},
		"no time":                       {[]string{"2026-11-24T99:00:06.123456789Z stdout F text"}, []got{{"", 0, "2026-11-24T99:00:06.123456789Z stdout F text"}}},
		"docker": {[]string{`{"log":"a ","stream":"stdout","time":"2026-11-24T05:00:10.5Z"}`, `{"log":"b\r\n","stream":"stdout","time":"2026-11-24T05:00:10.5Z"}`},
			[]got{{"stdout", 0, "a b"}}},
		"json of an application": {[]string{`{"log":"x"}`}, []got{{"", 0, `{"log":"x"}`}}},
		"bytes that are no text": {[]string{"a\xffb\xc3"}, []got{{"", 0, "a\ufffdb\ufffd"}}},
	} {
		assert.ElementsMatch(t, c.want, feed(lines.New(1000), c.in...), name)
	}
}

// No piece is longer than the limit, and together they are the line, whatever the lengths of the parts are.
func TestLongLinesOfContainers(t *testing.T) {
	for _, size := range []int{1, 7, 99, 100} {
		whole := strings.Repeat("aä€𝄞", 60)
		var in []string
		for rest := whole; rest != ""; {
			n := min(size, len(rest))
			tag := "P"
			if n == len(rest) {
				tag = "F"
			}
			in = append(in, stamp+"stdout "+tag+" "+rest[:n])
			rest = rest[n:]
		}
		var joined strings.Builder
		for i, r := range feed(lines.New(100), append(in, stamp+"stdout F after")...) {
			if r.text == "after" {
				assert.Zero(t, r.part, "the next line is a record of its own")
				continue
			}
			assert.Equal(t, i+1, r.part)
			assert.LessOrEqual(t, len(r.text), 100)
			assert.True(t, utf8.ValidString(r.text))
			joined.WriteString(r.text)
		}
		assert.Equal(t, whole, joined.String(), "parts of %d bytes", size)
	}
}

// A position never moves past the first held line.
func TestPending(t *testing.T) {
	s := lines.New(1000)
	none := func(join.Record) {}
	add := func(start int64, text string) {
		s.Add(join.Line{Text: text, Start: start, End: start + 10}, time.Unix(0, 0), none)
	}
	_, held := s.Pending(nil)
	assert.False(t, held)
	add(100, stamp+"stderr P part")
	add(200, stamp+"stdout F line")
	start, held := s.Pending(nil)
	assert.True(t, held)
	assert.EqualValues(t, 100, start)
	s.Flush(false, none)
	start, held = s.Pending(nil)
	assert.True(t, held, "a part waits for its rest")
	assert.EqualValues(t, 100, start)
	add(300, stamp+"stderr F end")
	s.Flush(false, none)
	_, held = s.Pending(nil)
	assert.False(t, held)
}

// Whatever the input, all text is emitted once, in pieces within the limit, as UTF-8.
func FuzzStreams(f *testing.F) {
	f.Add("one\ntwo\n" + stamp + "stdout P a\n" + stamp + "stdout F b\n")
	f.Add(`{"log":"a","stream":"stderr","time":"2026-11-24T05:00:10.5Z"}` + "\n\xff\xfe")
	f.Fuzz(func(t *testing.T, text string) {
		const limit = 64
		var in []string
		for _, line := range strings.Split(text, "\n") {
			if len(line) <= limit {
				in = append(in, line)
			}
		}
		for _, r := range feed(lines.New(limit), in...) {
			assert.LessOrEqual(t, len(r.text), limit)
			assert.True(t, utf8.ValidString(r.text))
		}
	})
}
