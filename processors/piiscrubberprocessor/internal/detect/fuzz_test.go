package detect_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
	"github.com/stretchr/testify/require"
)

// everything is a scanner with all detectors and a custom pattern.
func everything(tb testing.TB) *detect.Scanner {
	tb.Helper()
	c, err := detect.NewCustom(`E\d{6}`, "", nil, 0)
	require.NoError(tb, err)
	return detect.New(detect.Options{Detectors: detect.Precise.With(detect.HighEntropy), Regions: []string{"US", "DE"}, SpecialAddresses: true, Custom: []detect.Custom{c}})
}

// Whatever the text, spans are inside it, in order, separate, not empty, and the same each time.
func FuzzScan(f *testing.F) {
	for _, c := range cases {
		f.Add(c.key, strings.NewReplacer("«", "", "»", "").Replace(c.text))
	}
	f.Add("", "\xff@\xc2.com 4\xe2\x80")
	f.Add("phone", "+-(((00")
	s := everything(f)
	f.Fuzz(func(t *testing.T, key, text string) {
		spans := s.Scan(nil, key, text)
		end := 0
		for _, sp := range spans {
			require.GreaterOrEqual(t, sp.Start, end)
			require.Greater(t, sp.End, sp.Start)
			require.LessOrEqual(t, sp.End, len(text))
			end = sp.End
			if utf8.ValidString(text) {
				require.True(t, utf8.ValidString(text[sp.Start:sp.End]), "a finding cuts a character: %q", text[sp.Start:sp.End])
			}
		}
		require.Equal(t, spans, s.Scan(nil, key, text))
		prefix := []detect.Span{{Start: 1, End: 9, Kind: detect.Email}}
		require.Equal(t, prefix[0], s.Scan(prefix, key, text)[0], "older spans are the caller's")
	})
}

// A scanner without detectors finds nothing.
func TestNothing(t *testing.T) {
	s := detect.New(detect.Options{})
	for _, c := range cases {
		require.Empty(t, s.Scan(nil, c.key, c.text))
	}
}

// Each detector works alone: the code that it shares with others works without them.
func TestAlone(t *testing.T) {
	for _, name := range detect.Names() {
		k, _ := detect.KindOf(name)
		s := detect.New(detect.Options{Detectors: detect.Set(0).With(k), Regions: []string{"US"}})
		for _, c := range cases {
			text, _ := unmark(c.text)
			for _, sp := range s.Scan(nil, c.key, text) {
				require.Equal(t, k, sp.Kind, "%s: %s", name, text)
			}
		}
	}
}

// A clean text costs no allocation.
func TestNoAllocation(t *testing.T) {
	s := scanner()
	buf := make([]detect.Span, 0, 16)
	for _, text := range []string{
		`2024-03-11T10:22:33.123Z INFO c.e.OrderService - order 550e8400-e29b-41d4-a716-446655440000 took 35ms status=200 path=/v1/items?page=2`,
		`10.1.2.3 - - [11/Mar/2024:10:22:33 +0000] "GET /api/v2/items/123456789 HTTP/1.1" 200 512 "-" "Chrome/120.0.6099.109"`,
		`{"level":"info","ts":1700000000.123,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","n":4242424242424243,"password":null}`,
	} {
		require.Zero(t, testing.AllocsPerRun(100, func() { buf = s.Scan(buf[:0], "message", text) }), text)
		require.Empty(t, buf, text)
	}
}
