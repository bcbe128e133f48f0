package samples_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/consoleextension/internal/samples"
)

func at(second int64) time.Time { return time.Unix(second, 0) }

func read(t *testing.T, r *samples.Ring, after int64, names ...string) string {
	t.Helper()
	times, series := r.Read(names, after)
	text, err := json.Marshal([]any{times, series})
	require.NoError(t, err)
	return string(text)
}

func TestReadings(t *testing.T) {
	r := samples.NewRing(3, 10)
	assert.Equal(t, `[[],[]]`, read(t, r, 0, "a"))
	require.NoError(t, r.Add(at(1), []byte("# HELP a words\n# TYPE a counter\na{x=\"1\"} 1\nb 7\nh_bucket{le=\"1\"} 1\nh_count 1\n")))
	require.NoError(t, r.Add(at(2), []byte("a{x=\"1\"} 2\na{x=\"<script>\"} NaN\n")))
	require.NoError(t, r.Add(at(3), []byte("a{x=\"1\"} 3\na{x=\"<script>\"} 5\n")))
	assert.Equal(t, `[[1000,2000,3000],[{"name":"a","labels":{"x":"1"},"values":[1,2,3]},{"name":"a","labels":{"x":"\u003cscript\u003e"},"values":[null,null,5]}]]`, read(t, r, 0, "a"))
	assert.Equal(t, `[[1000,2000,3000],[{"name":"b","labels":{},"values":[7,null,null]}]]`, read(t, r, 0, "b"))
	assert.Equal(t, `[[1000,2000,3000],[]]`, read(t, r, 0, "h_bucket"))
	assert.Equal(t, `[[3000],[{"name":"b","labels":{},"values":[null]}]]`, read(t, r, 2000, "b"))
	require.NoError(t, r.Add(at(4), []byte("a{x=\"1\"} 4\n")))
	assert.Equal(t, `[[2000,3000,4000],[]]`, read(t, r, 0, "b"), "what was not there for all readings is forgotten")
	assert.Equal(t, `[[2000,3000,4000],[{"name":"a","labels":{"x":"1"},"values":[2,3,4]},{"name":"a","labels":{"x":"\u003cscript\u003e"},"values":[null,5,null]}]]`, read(t, r, 0, "a"))
	assert.Error(t, r.Add(at(5), []byte("a{x=\"1\"} 5\n<html>")))
	assert.Equal(t, `[[5000],[{"name":"a","labels":{"x":"1"},"values":[5]},{"name":"a","labels":{"x":"\u003cscript\u003e"},"values":[null]}]]`, read(t, r, 4000, "a"), "what came before the mistake counts")
}

func TestSeriesAreBounded(t *testing.T) {
	r := samples.NewRing(2, 5)
	page := func(from int) (text []byte) {
		for i := range 8 {
			text = fmt.Appendf(text, "a{x=\"%d\"} 1\n", from+i)
		}
		return text
	}
	for i := range 20 {
		require.NoError(t, r.Add(at(int64(i)), page(i*8)))
		_, all := r.Read([]string{"a"}, -1)
		assert.LessOrEqual(t, len(all), 5)
		assert.GreaterOrEqual(t, r.LeftOut(), 3)
	}
}
