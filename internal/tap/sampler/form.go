package sampler

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

const (
	// maxText is the longest text of a record that is shown, in bytes.
	maxText = 1 << 10
	// maxEntries is how many entries of a map or an array are shown.
	maxEntries = 64
	// maxNested is how deep maps and arrays are shown.
	maxNested = 4
	// shell is what a value costs beside its text: quotes, a comma, a colon.
	shell = 8
)

// form turns values into what json.Marshal takes, and leaves out what goes beyond its budget of bytes.
type form struct {
	left int
	cut  bool
}

// text returns the beginning of a text.
func (w *form) text(s string) string {
	keep := min(len(s), maxText, max(0, w.left-shell))
	if keep < len(s) {
		for keep > 0 && !utf8.RuneStart(s[keep]) {
			keep--
		}
		w.cut = true
		s = s[:keep] + "…"
	}
	w.left -= len(s) + shell
	return strings.ToValidUTF8(s, "\uFFFD")
}

// fields returns a map's entries in the order of their keys, nil for an empty one.
func (w *form) fields(m pcommon.Map, depth int) map[string]any {
	if m.Len() == 0 {
		return nil
	}
	keys := make([]string, 0, m.Len())
	for k := range m.All() {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := map[string]any{}
	for _, k := range keys {
		if w.full(len(out)) {
			break
		}
		v, _ := m.Get(k)
		out[w.text(k)] = w.value(v, depth)
	}
	return out
}

// full says whether no entry more is shown of what has n already.
func (w *form) full(n int) bool {
	if n >= maxEntries || w.left <= 2*shell {
		w.cut = true
		return true
	}
	return false
}

func (w *form) value(v pcommon.Value, depth int) any {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return w.text(v.Str())
	case pcommon.ValueTypeInt:
		w.left -= 20
		return v.Int()
	case pcommon.ValueTypeDouble:
		return w.number(v.Double())
	case pcommon.ValueTypeBool:
		w.left -= shell
		return v.Bool()
	case pcommon.ValueTypeBytes: // a scrubber leaves some binary payloads as they are, and nobody can read them here
		return w.text(fmt.Sprintf("(%d bytes)", v.Bytes().Len()))
	case pcommon.ValueTypeMap:
		if depth >= maxNested {
			return w.text(fmt.Sprintf("(%d entries)", v.Map().Len()))
		}
		return w.fields(v.Map(), depth+1)
	case pcommon.ValueTypeSlice:
		if depth >= maxNested {
			return w.text(fmt.Sprintf("(%d entries)", v.Slice().Len()))
		}
		out := []any{}
		for _, one := range v.Slice().All() {
			if w.full(len(out)) {
				break
			}
			out = append(out, w.value(one, depth+1))
		}
		return out
	}
	return nil
}

// number returns what JSON has a form for: a text for infinities and NaN.
func (w *form) number(f float64) any {
	w.left -= 24
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return f
}

// stamp returns a time, empty for none.
func stamp(t pcommon.Timestamp) string {
	if t == 0 {
		return ""
	}
	return t.AsTime().UTC().Format(time.RFC3339Nano)
}

func traceID(id pcommon.TraceID) string {
	if id.IsEmpty() {
		return ""
	}
	return hex.EncodeToString(id[:])
}

func spanID(id pcommon.SpanID) string {
	if id.IsEmpty() {
		return ""
	}
	return hex.EncodeToString(id[:])
}
