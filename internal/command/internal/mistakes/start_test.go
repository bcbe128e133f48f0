package mistakes

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Extensions start in a random order, so whichever comes first to an unusable directory says so in its own words. All of them lead to the
// variable.
func TestADirectoryThatCannotBeUsedNamesItsVariable(t *testing.T) {
	t.Setenv("PENSTOCK_DATA_DIR", "/srv/file/data")
	f := &finder{
		whole: map[string]any{
			"exporters": map[string]any{"parquet": map[string]any{"url": "s3://bucket/srv/file/data"}},
			"extensions": map[string]any{
				"quota":         map[string]any{"day_file": "/srv/file/data/quota/day.json"},
				"embedded_tsdb": map[string]any{"directory": "/srv/file/data/tsdb"},
				"file_storage":  map[string]any{"directory": "/other/queue"},
			},
		},
		unexpanded: map[string]any{
			"extensions": map[string]any{
				"quota":         map[string]any{"day_file": "${env:PENSTOCK_DATA_DIR:-./penstock-data}/quota/day.json"},
				"embedded_tsdb": map[string]any{"directory": "${env:PENSTOCK_DATA_DIR:-./penstock-data}/tsdb"},
				"file_storage":  map[string]any{"directory": "/other/queue"},
			},
		},
	}
	variable := "PENSTOCK_DATA_DIR decides where this is (/srv/file/data): "
	for text, says := range map[string]string{
		"extensions::quota::day_file: mkdir /srv/file: not a directory":                       variable,
		"extensions::quota::day_file: permission denied":                                      variable,
		"open /srv/file/data/tsdb/lock: permission denied":                                    variable,
		"mkdir /srv/file/data: no such file or directory":                                     variable,
		"mkdir /srv: read-only file system":                                                   variable,
		"mkdir /other: permission denied":                                                     "extensions::file_storage::directory decides where this is: ",
		"extensions::file_storage::directory: open /other/queue/x: no space left on device":   "extensions::file_storage::directory decides where this is: ",
		"mkdir /srv/fil: not a directory":                                                     "",
		"extensions::quota::day_file_of_another: mkdir /elsewhere/file/data: not a directory": "",
	} {
		got := Report{finder: f}.Explain(fmt.Errorf("failed to start extensions: %w", errors.New(text))).Error()
		if says == "" {
			assert.NotContains(t, got, "decides where", text)
		} else {
			assert.Contains(t, got, says, text)
		}
	}
}
