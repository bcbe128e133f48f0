package line_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/line"
)

func ExampleSplit() {
	for _, part := range line.Split("grüße", 4) {
		fmt.Println(part)
	}
	// Output:
	// grü
	// ße
}

func TestTruncate(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		limit    int
		want     string
	}{
		{"short", "abc", 5, "abc"},
		{"exact", "abc", 3, "abc"},
		{"long", "abcdef", 3, "abc"},
		{"before a character", "aü", 2, "a"},
		{"no limit", "abc", 0, "abc"},
		{"not utf-8", "\x80\x80\x80\x80\x80\x80", 5, "\x80\x80\x80\x80\x80"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, line.Truncate(tc.in, tc.limit))
		})
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("grüße, 世界", 4)
	f.Add("\xff\xfe\xfd\x80\x80\x80", 2)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		parts := line.Split(s, limit)
		assert.Equal(t, s, strings.Join(parts, ""))
		for _, part := range parts {
			if limit > 0 {
				assert.LessOrEqual(t, len(part), limit)
			}
			if limit >= utf8.UTFMax && utf8.ValidString(s) {
				assert.True(t, utf8.ValidString(part), "part %q cuts a character", part)
			}
			if s != "" {
				assert.NotEmpty(t, part)
			}
		}
		assert.Equal(t, parts[0], line.Truncate(s, limit))
	})
}
