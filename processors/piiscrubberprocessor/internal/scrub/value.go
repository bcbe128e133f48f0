package scrub

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Map scrubs attributes. path names them for include and exclude.
func (b *Batch) Map(path string, m pcommon.Map) {
	b.path, b.place = append(b.path[:0], path...), path
	b.mapAt(m, 0)
}

// Value scrubs a value outside attributes, a log body.
func (b *Batch) Value(path string, v pcommon.Value) {
	b.path, b.place = append(b.path[:0], path...), path
	if b.value("", v, 0) == dropped {
		pcommon.NewValueEmpty().CopyTo(v)
	}
}

// Attribute scrubs the value of one attribute outside maps.
func (b *Batch) Attribute(path, key string, v pcommon.Value) {
	b.path, b.place = append(b.path[:0], path...), path
	if name, plain := b.plainKey(key); b.attribute(key, key, name, plain, v, 0) == dropped {
		pcommon.NewValueEmpty().CopyTo(v)
	}
}

func (b *Batch) mapAt(m pcommon.Map, depth int) {
	named := ""
	if depth > 0 {
		named = entryName(m)
	}
	var gone []int // by position; most maps lose nothing, and RemoveIf's closure would be allocated for each of them
	i, plainKeys := 0, true
	for k, v := range m.All() {
		key := k
		name, plain := b.plainKey(k)
		plainKeys = plainKeys && plain
		if named != "" && (k == "value" || k == "Value") {
			key, plain = named, false
			name, _ = b.clean.name(named)
		}
		if b.attribute(k, key, name, plain, v, depth) == dropped {
			gone = append(gone, i)
		}
		i++
	}
	if gone != nil {
		removeAt(m, gone)
	}
	if b.s.KeyScanner != nil && !plainKeys {
		b.rewriteKeys(m)
	}
}

// plainKey returns the hash of a key, and whether it names no secret and has no finding.
func (b *Batch) plainKey(k string) (name uint64, plain bool) {
	name, slot := b.clean.name(k)
	if *slot == name {
		return name, true
	}
	if b.s.BuiltinKeys && detect.SecretName(k) || len(b.s.sensitive) > 0 && b.s.sensitive[strings.ToLower(k)] || !b.emptyKey(k) {
		return name, false
	}
	*slot = name
	return name, true
}

// emptyKey reports whether a key has no finding.
func (b *Batch) emptyKey(k string) bool {
	if b.s.KeyScanner == nil || b.s.KeyTokens && len(k) < shortKey && strings.IndexByte(k, '@') < 0 && strings.IndexByte(k, '%') < 0 {
		return true
	}
	return b.scan(b.s.KeyScanner, "", k) && len(b.spans) == 0
}

// removeAt removes the entries at positions, which ascend.
func removeAt(m pcommon.Map, positions []int) {
	i := -1
	m.RemoveIf(func(string, pcommon.Value) bool {
		i++
		if len(positions) == 0 || positions[0] != i {
			return false
		}
		positions = positions[1:]
		return true
	})
}

// entryName returns the name of an entry of a list of pairs: {"name": "Authorization", "value": "..."}.
func entryName(m pcommon.Map) string {
	for _, k := range [...]string{"name", "key", "Name", "Key", "header"} {
		if v, ok := m.Get(k); ok && v.Type() == pcommon.ValueTypeStr {
			return v.Str()
		}
	}
	return ""
}

// attribute scrubs the value under k, which key describes; name is the hash of key, and plain says that it names no secret.
func (b *Batch) attribute(k, key string, name uint64, plain bool, v pcommon.Value, depth int) outcome {
	if b.Tap != nil || v.Type() != pcommon.ValueTypeStr {
		return b.anew(k, key, plain, v, depth)
	}
	text := v.Str()
	if len(text) > maxRemembered || text == "" {
		return b.anew(k, key, plain, v, depth)
	}
	hash, slot := b.clean.of(name, text)
	if *slot == hash {
		return kept
	}
	b.searched = false
	o := b.anew(k, key, plain, v, depth)
	if o == kept && b.searched && len(b.spans) == 0 {
		*slot = hash
	}
	return o
}

// anew is attribute for one that isn't known to be clean.
func (b *Batch) anew(k, key string, plain bool, v pcommon.Value, depth int) outcome {
	s := b.s
	if len(s.AllowKeys) > 0 && s.allowedKey(k) {
		return kept
	}
	n := len(b.path)
	if s.paths {
		b.path = append(append(b.path, '.'), k...)
		defer func() { b.path = b.path[:n] }()
	}
	if !plain && s.SensitiveRule.Action != protect.Off && b.isSensitive(key, v) && (!s.paths || s.selected(string(b.path))) {
		return b.whole(key, v)
	}
	return b.value(key, v, depth)
}

// isSensitive reports whether v is removed whole because of its key. A boolean or an absent value is not a secret.
func (b *Batch) isSensitive(key string, v pcommon.Value) bool {
	t := v.Type()
	if t == pcommon.ValueTypeBool || t == pcommon.ValueTypeEmpty {
		return false
	}
	sample := "long enough"
	switch t {
	case pcommon.ValueTypeStr:
		sample = v.Str()
	case pcommon.ValueTypeInt:
		sample = view(strconv.AppendInt(b.num[:0], v.Int(), 10))
	case pcommon.ValueTypeDouble: // JSON has no integers
		f := v.Double()
		if f < 0 || f >= 1<<53 || f != math.Trunc(f) {
			return false
		}
		sample = view(strconv.AppendInt(b.num[:0], int64(f), 10))
	}
	return b.sensitiveText(key, sample)
}

// sensitiveText reports the same of a text.
func (b *Batch) sensitiveText(key, text string) bool {
	if len(b.s.sensitive) > 0 && b.s.sensitive[strings.ToLower(key)] {
		return true
	}
	return b.s.BuiltinKeys && detect.SecretKey(key, text)
}

// whole replaces a value according to its rule.
func (b *Batch) whole(key string, v pcommon.Value) outcome {
	text := v.AsString()
	if text == "" || detect.Mark(text, 0) == len(text) || strings.HasSuffix(text, detect.TokenDomain) || b.s.allowed(text) {
		return kept
	}
	if t := v.Type(); (t == pcommon.ValueTypeSlice || t == pcommon.ValueTypeMap) && (text == "[]" || text == "{}") {
		return kept
	}
	if b.Tap != nil {
		b.Tap(key, text, true)
	}
	rule := b.rule(Sensitive)
	b.count(Sensitive)
	switch rule.Action {
	case protect.Count:
		return kept
	case protect.Drop:
		b.constant(key, rule)
		return dropped
	}
	b.buf = b.apply(b.buf[:0], Sensitive, rule, text)
	b.constant(key, rule)
	if string(b.buf) == text {
		return kept
	}
	v.SetStr(string(b.buf))
	return changed
}

// value scrubs v, whose key is key.
func (b *Batch) value(key string, v pcommon.Value, depth int) outcome {
	s := b.s
	if s.paths && v.Type() != pcommon.ValueTypeMap && v.Type() != pcommon.ValueTypeSlice && !s.selected(string(b.path)) {
		return kept
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		out, o := b.text(key, v.Str())
		if o == changed {
			v.SetStr(out)
		}
		return o
	case pcommon.ValueTypeInt:
		if n := v.Int(); n >= 1e6 || n <= -1e6 {
			return b.number(key, strconv.AppendInt(b.num[:0], n, 10), v)
		}
	case pcommon.ValueTypeDouble:
		// JSON has no integers: a card number may arrive as 4111111111111111.0, exact up to 2^53.
		if f := v.Double(); f >= 1e6 && f < 1<<53 && f == math.Trunc(f) {
			return b.number(key, strconv.AppendInt(b.num[:0], int64(f), 10), v)
		}
	case pcommon.ValueTypeBytes:
		return b.bytes(key, v)
	case pcommon.ValueTypeMap:
		if depth++; depth > s.MaxDepth {
			return b.tooDeep(key, v)
		}
		b.mapAt(v.Map(), depth)
	case pcommon.ValueTypeSlice:
		if depth++; depth > s.MaxDepth {
			return b.tooDeep(key, v)
		}
		b.slice(key, v.Slice(), depth)
	}
	return kept
}

// slice scrubs the elements; in a list of arguments what follows "--password" or, after curl, "-u", is removed.
func (b *Batch) slice(key string, list pcommon.Slice, depth int) {
	var args detect.Arguments
	searched := b.s.BuiltinKeys && b.s.SensitiveRule.Action != protect.Off
	for i := range list.Len() {
		v := list.At(i)
		o, secret := kept, false
		if searched && v.Type() == pcommon.ValueTypeStr {
			var from int
			if from, secret = args.Secret(v.Str()); secret {
				o = b.argument(key, v, from)
			}
		}
		if !secret {
			o = b.value(key, v, depth)
		}
		if o == dropped { // positions stay
			pcommon.NewValueEmpty().CopyTo(v)
		}
	}
}

// argument removes the rest of a command's argument from the byte at from.
func (b *Batch) argument(key string, v pcommon.Value, from int) outcome {
	if from == 0 {
		return b.whole(key, v)
	}
	flag, rest := v.Str()[:from], pcommon.NewValueStr(v.Str()[from:])
	o := b.whole(key, rest)
	if o == changed {
		v.SetStr(flag + rest.Str())
	}
	return o
}

// number scrubs an integer. It changes as a whole, and becomes a string.
func (b *Batch) number(key string, digits []byte, v pcommon.Value) outcome {
	if len(digits) < 7 {
		return kept
	}
	out, o := b.text(key, view(digits))
	if o == changed {
		v.SetStr(out)
	}
	return o
}

// bytes scrubs bytes. Bytes that aren't UTF-8 are searched for ASCII, as in Latin-1 and similar encodings, and counted: in UTF-16 or
// compressed data nothing is found.
func (b *Batch) bytes(key string, v pcommon.Value) outcome {
	raw := v.Bytes()
	n := raw.Len()
	if n == 0 {
		return kept
	}
	if n > b.s.MaxBytes {
		b.Missed[Size]++
		if b.s.FailClosed {
			raw.FromRaw([]byte(b.beyond(key, view(raw.AsRaw()))))
			return changed
		}
		return kept
	}
	text := raw.AsRaw()
	if !utf8.Valid(text) {
		b.Missed[Binary]++
	}
	out, o := b.text(key, view(text))
	if o == changed {
		raw.FromRaw([]byte(out))
	}
	return o
}

func (b *Batch) tooDeep(key string, v pcommon.Value) outcome {
	b.Missed[Depth]++
	if !b.s.FailClosed {
		return kept
	}
	text := ""
	if b.rule(Beyond).Action.Keyed() {
		text = v.AsString()
	}
	v.SetStr(b.beyond(key, text))
	return changed
}

// Key scrubs the name of an attribute outside maps, as Map does; the result is "", true if a finding's action is drop.
func (b *Batch) Key(k string) (string, bool) {
	if b.s.KeyScanner == nil {
		return k, false
	}
	switch out, o := b.search(b.s.KeyScanner, "", k); o {
	case changed:
		return out, true
	case dropped:
		return "", true
	default:
		return k, false
	}
}

// shortKey is the length below which a key can't contain a token.
const shortKey = 20

// rewriteKeys scrubs the keys of m. Two keys that become equal get a suffix, so that no value is lost.
func (b *Batch) rewriteKeys(m pcommon.Map) {
	dirty := false
	for k := range m.All() {
		if !b.emptyKey(k) {
			dirty = true
			break
		}
	}
	if !dirty {
		return
	}
	out := pcommon.NewMap()
	out.EnsureCapacity(m.Len())
	used := make(map[string]int, m.Len()) // how often a key occurred, and which are used
	for k, v := range m.All() {
		key, o := b.search(b.s.KeyScanner, "", k)
		if o == dropped {
			continue
		}
		base := key
		for n := used[base]; n > 0 && used[key] > 0; n++ {
			key = base + "#" + strconv.Itoa(n+1)
			used[base] = n + 1
		}
		used[key]++
		v.MoveTo(out.PutEmpty(key))
	}
	out.MoveTo(m)
}

// view returns b as a string, which is valid as long as b is not written to.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
