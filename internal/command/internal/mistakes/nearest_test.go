package mistakes

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/config/configoptional"
)

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		name, want string
		among      []string
	}{
		{"detecters", "detectors", []string{"detectors", "default_action"}},
		{"keyfile", "key_file", []string{"keys", "key_file"}},
		{"sendingQueue", "sending_queue", []string{"sending_queue"}},
		{"PENSTOCK_LOKI_ULR", "PENSTOCK_LOKI_URL", []string{"PENSTOCK_LAKE_URL", "PENSTOCK_LOKI_URL"}},
		{"flavour", "", []string{"keys", "limits"}},
		{"", "", []string{"a"}},
		{"a", "", nil},
	} {
		assert.Equal(t, c.want, nearest(c.name, c.among), c.name)
	}
	assert.Equal(t, 1, distance("redcat", "redact"), "two letters exchanged are one slip")
	assert.Equal(t, 6, distance("", "redact"))
}

func TestLocate(t *testing.T) {
	conf := map[string]any{
		"rules": []any{map[string]any{"by": []any{"log.file.path"}}},
		"keys":  map[string]any{"log.file.path": 1, "log": 2},
	}
	for text, want := range map[string]struct {
		path []string
		rest string
	}{
		"rules::0::by: no such attribute": {[]string{"rules", "0", "by"}, "no such attribute"},
		"rules[0].by[0]":                  {[]string{"rules", "0", "by", "0"}, ""},
		"rules[0]::by: x":                 {[]string{"rules", "0", "by"}, "x"},
		"keys.log.file.path":              {[]string{"keys", "log.file.path"}, ""},
		"rules::7: x":                     {[]string{"rules"}, "7: x"},
		"nothing here":                    {nil, "nothing here"},
	} {
		path, rest := locate(conf, text)
		assert.Equal(t, want.path, path, text)
		assert.Equal(t, want.rest, rest, text)
	}
}

type inner struct {
	Size time.Duration `mapstructure:"size"`
}

type outer struct {
	inner   `mapstructure:",squash"`
	Windows []inner                        `mapstructure:"windows"`
	Retry   configoptional.Optional[inner] `mapstructure:"retry"`
	Named   map[string]*inner              `mapstructure:"named"`
	Hidden  int                            `mapstructure:"-"`
}

func TestFieldsAndBareDurations(t *testing.T) {
	shape := reflect.TypeFor[*outer]()
	assert.Equal(t, []string{"named", "retry", "size", "windows"}, keysOf(shape))
	for _, path := range [][]string{{"size"}, {"windows", "0", "size"}, {"retry", "size"}, {"named", "any", "size"}} {
		assert.Equal(t, durationType, typeAt(shape, path), path)
	}
	assert.Nil(t, typeAt(shape, []string{"size", "deeper"}))
	assert.ElementsMatch(t, [][]string{{"size"}, {"windows", "1", "size"}, {"retry", "size"}}, bareDurations(shape, map[string]any{
		"size": 15, "windows": []any{map[string]any{"size": "1m"}, map[string]any{"size": 60}},
		"retry": map[string]any{"size": 1}, "named": map[string]any{"any": map[string]any{"size": 0}, "ns": map[string]any{"size": int(time.Second)}},
	}, nil))
}
