package lokiexporter

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/line"
	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/pushrequest"
	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/streamlimit"
)

// maxArena bounds the bytes of a push's entries that are in memory.
const maxArena = 64 << 20

// Space reserved for the marks that describe how an entry was changed.
const (
	reservedPairs = 4
	reservedBytes = 256
)

// changes counts the changes made to entries.
type changes struct {
	split, truncated, metadataCut, nudged, restamped int64
}

// pair is a piece of structured metadata.
type pair struct {
	name  *name
	value string
}

// target is the stream for records with the same label values.
type target struct {
	stream *stream
	moved  []pair
}

// translator turns OTLP records into entries of streams: the one place where both vocabularies occur. It is reused; not safe for
// concurrent use.
type translator struct {
	cfg    *Config
	policy *policy
	names  *names
	now    time.Time

	arena []byte // bodies of the entries of a push, or of the part of it that is translated
	// full sends the entries of the arena and empties it. It is called when the arena has more than most bytes.
	full func()
	most int
	// pairs that all entries of a scope share, as pairs and encoded
	shared        []pair
	sharedBody    []byte
	sharedBytes   int
	generation    uint64 // of the entry, for name.entry
	sharedVersion uint64 // of the scope, for name.shared

	resourceValues, values, used []string
	targets                      map[string]*target // by the values of dynamic labels; for one resource
	key                          []byte
	document                     document

	// State of the entry that is being encoded.
	body         []byte
	pairs, bytes int
	cut          int
	changes      changes
	onMove       func(tenant string, m streamlimit.Move)
	outsideTime  int64 // entries dropped
}

func newTranslator(cfg *Config, p *policy, onMove func(string, streamlimit.Move)) *translator {
	n := len(p.labels)
	return &translator{
		cfg: cfg, policy: p, names: newNames(), onMove: onMove,
		resourceValues: make([]string, n), values: make([]string, n), used: make([]string, len(p.dynamic)),
		targets: make(map[string]*target), most: maxArena,
	}
}

// reset prepares for another push.
func (t *translator) reset(now time.Time) {
	const keepArena = 8 << 20
	if cap(t.arena) > keepArena {
		t.arena = nil
	}
	t.arena = t.arena[:0]
	t.now, t.changes, t.outsideTime = now, changes{}, 0
}

// release drops references to the push.
func (t *translator) release() {
	clear(t.targets)
	clear(t.shared)
	clear(t.values)
	clear(t.resourceValues)
	t.document, t.full = document{}, nil
}

// add appends the records of rl to b. first is the position of its first record in the push; it returns the position after its last.
func (t *translator) add(rl plog.ResourceLogs, b *batch, first int32) int32 {
	clear(t.targets)
	usedByResource := t.policy.resource(rl.Resource().Attributes(), t.resourceValues)
	copy(t.values, t.resourceValues)
	scopes := rl.ScopeLogs()
	for i := range scopes.Len() {
		sl := scopes.At(i)
		t.setScope(rl.Resource(), sl.Scope(), usedByResource)
		records := sl.LogRecords()
		for j := range records.Len() {
			lr := records.At(j)
			t.record(lr, b, first)
			first++
			if len(t.arena) > t.most {
				t.full()
			}
		}
	}
	return first
}

// setScope encodes the common part of all records of the scope.
func (t *translator) setScope(resource pcommon.Resource, scope pcommon.InstrumentationScope, used map[string]bool) {
	t.sharedVersion++
	t.shared, t.sharedBody, t.sharedBytes = t.shared[:0], t.sharedBody[:0], 0
	t.document.scope(resource, scope)
	if !t.cfg.StructuredMetadata {
		return
	}
	t.share("scope_name", scope.Name())
	t.share("scope_version", scope.Version())
	if n := scope.DroppedAttributesCount(); n != 0 {
		t.share("scope_dropped_attributes_count", strconv.FormatUint(uint64(n), 10))
	}
	for key, v := range scope.Attributes().All() {
		flatten(key, v, t.share)
	}
	for key, v := range resource.Attributes().All() {
		if !used[key] {
			flatten(key, v, t.share)
		}
	}
}

func (t *translator) share(key, value string) {
	if value == "" {
		return
	}
	n := t.names.of(key)
	if n.shared == t.sharedVersion {
		n = t.names.free(n, &n.inShared, t.sharedVersion, func(n *name) bool { return n.shared == t.sharedVersion })
	}
	n.shared = t.sharedVersion
	t.shared = append(t.shared, pair{n, value})
	t.sharedBody = pushrequest.AppendPair(t.sharedBody, n.text, value)
	t.sharedBytes += len(n.text) + len(value)
}

// target finds the stream of a record with this time.
func (t *translator) target(lr plog.LogRecord, nanos int64, b *batch) *target {
	t.policy.record(lr, t.resourceValues, t.values, t.used)
	window := t.policy.lateWindow(nanos, t.now)
	t.key = binary.LittleEndian.AppendUint64(t.key[:0], uint64(window))
	for _, i := range t.policy.dynamic {
		t.key = append(append(t.key, t.values[i]...), 0)
	}
	if known, ok := t.targets[string(t.key)]; ok {
		return known
	}
	t.policy.setLate(t.values, window)
	admitted, moved, moves := b.limit.Admit(t.values, t.now)
	for _, m := range moves {
		t.onMove(b.tenant, m)
	}
	if len(moves) > 0 {
		clear(t.targets) // some of their labels may be moved now
	}
	found := &target{stream: b.stream(admitted)}
	for i, l := range t.policy.labels {
		if moved.Has(i) && t.values[i] != "" {
			found.moved = append(found.moved, pair{t.names.of(l.Name), t.values[i]})
		}
	}
	t.targets[string(t.key)] = found
	return found
}

// record writes one record as an entry, or as several if its line is split.
func (t *translator) record(lr plog.LogRecord, b *batch, position int32) {
	nanos, original, ok := t.time(lr)
	if !ok {
		t.outsideTime++
		return
	}
	to := t.target(lr, nanos, b)
	text := t.text(lr)
	limit := t.cfg.Limits.LineBytes
	if limit == 0 || len(text) <= limit {
		t.entry(lr, to, text, nanos, original, position, "", "")
		return
	}
	size := strconv.Itoa(len(text))
	if !t.cfg.StructuredMetadata {
		limit -= minLineBytes / 2 // for the marks inside the line
	}
	if t.cfg.OnLongLine == longLineTruncate {
		t.changes.truncated++
		t.entry(lr, to, line.Truncate(text, limit), nanos, original, position, "line_truncated_from", size)
		return
	}
	t.changes.split++
	parts := line.Split(text, limit)
	for i, part := range parts {
		mark := strconv.Itoa(i+1) + "/" + strconv.Itoa(len(parts))
		t.entry(lr, to, part, nanos, original, position, "line_part", mark)
	}
}

func (t *translator) entry(lr plog.LogRecord, to *target, text string, nanos int64, original string, position int32, mark, markValue string) {
	start := len(t.arena)
	t.body, t.pairs, t.bytes, t.cut = t.arena, 0, 0, 0
	if t.cfg.StructuredMetadata {
		t.body = pushrequest.AppendLine(t.body, text)
		t.metadata(lr, to.moved)
		t.mark("original_timestamp", original)
		t.mark(mark, markValue)
		if t.cut > 0 {
			t.changes.metadataCut++
			t.mark("metadata_dropped", strconv.Itoa(t.cut))
		}
	} else if mark != "" {
		t.body = pushrequest.AppendLine(t.body, text+" ["+mark+"="+markValue+"]")
	} else {
		t.body = pushrequest.AppendLine(t.body, text)
	}
	t.arena = t.body
	to.stream.entries = append(to.stream.entries, entry{nanos: nanos, start: start, end: len(t.arena), record: position})
}

// metadata writes everything except line and labels. Of several attributes that Loki would store under one name, all but the first are
// renamed (_2), because Loki would keep only the last. Names of the record take precedence over those of its scope, and these over those
// of its resource.
func (t *translator) metadata(lr plog.LogRecord, moved []pair) {
	t.generation++
	t.names.next()
	if id := lr.TraceID(); !id.IsEmpty() {
		t.put("trace_id", hex.EncodeToString(id[:]))
	}
	if id := lr.SpanID(); !id.IsEmpty() {
		t.put("span_id", hex.EncodeToString(id[:]))
	}
	if n := lr.SeverityNumber(); n != plog.SeverityNumberUnspecified {
		t.put("severity_number", strconv.Itoa(int(n)))
	}
	t.put("severity_text", lr.SeverityText())
	if lr.Timestamp() != 0 && lr.ObservedTimestamp() != 0 {
		t.put("observed_timestamp", strconv.FormatUint(uint64(lr.ObservedTimestamp()), 10))
	}
	t.put("event_name", lr.EventName())
	if n := lr.Flags(); n != 0 {
		t.put("flags", strconv.FormatUint(uint64(n), 10))
	}
	if n := lr.DroppedAttributesCount(); n != 0 {
		t.put("dropped_attributes_count", strconv.FormatUint(uint64(n), 10))
	}
	for _, p := range moved {
		t.putNamed(p.name, p.value)
	}
	for key, v := range lr.Attributes().All() {
		if !t.isLabel(key) {
			flatten(key, v, t.put)
		}
	}
	t.putShared()
}

// isLabel reports whether a label contains the record's attribute completely.
func (t *translator) isLabel(key string) bool {
	for _, used := range t.used {
		if used == key && used != "" {
			return true
		}
	}
	return false
}

func (t *translator) put(key, value string) {
	if value != "" { // Loki does not distinguish an empty value from none
		t.putNamed(t.names.of(key), value)
	}
}

func (t *translator) putNamed(n *name, value string) {
	if n.entry == t.generation {
		n = t.names.free(n, &n.inEntry, t.generation, func(n *name) bool { return n.entry == t.generation })
	}
	n.entry = t.generation
	size := len(n.text) + len(value)
	limits := &t.cfg.Limits
	if t.pairs >= limits.MetadataPairs-reservedPairs || t.bytes+size > limits.MetadataBytes-reservedBytes {
		t.cut++
		return
	}
	t.body = pushrequest.AppendPair(t.body, n.text, value)
	t.pairs++
	t.bytes += size
}

// putShared copies the pairs of scope and resource together, or one by one if a name is taken or they do not all fit.
func (t *translator) putShared() {
	limits := &t.cfg.Limits
	fits := t.pairs+len(t.shared) <= limits.MetadataPairs-reservedPairs && t.bytes+t.sharedBytes <= limits.MetadataBytes-reservedBytes
	for i := 0; fits && i < len(t.shared); i++ {
		fits = t.shared[i].name.entry != t.generation
	}
	if fits {
		t.body = append(t.body, t.sharedBody...)
		t.pairs += len(t.shared)
		return
	}
	for _, p := range t.shared {
		t.putNamed(p.name, p.value)
	}
}

// mark writes into the space that putNamed reserves.
func (t *translator) mark(key, value string) {
	if key != "" && value != "" {
		t.body = pushrequest.AppendPair(t.body, key, value)
	}
}

// time is the record's time, else its observed time, else now. Outside Loki's window it is now, with the record's own time as original, or
// ok is false.
func (t *translator) time(lr plog.LogRecord) (nanos int64, original string, ok bool) {
	stamp := lr.Timestamp()
	if stamp == 0 {
		stamp = lr.ObservedTimestamp()
	}
	if stamp == 0 {
		return t.now.UnixNano(), "", true
	}
	limits := &t.cfg.Limits
	if stamp <= math.MaxInt64 {
		age := t.now.Sub(time.Unix(0, int64(stamp)))
		if (limits.MaxAge == 0 || age <= limits.MaxAge) && (limits.MaxAhead == 0 || -age <= limits.MaxAhead) {
			return int64(stamp), "", true
		}
	}
	if t.cfg.OnOutsideWindow == outsideDrop {
		return 0, "", false
	}
	t.changes.restamped++
	return t.now.UnixNano(), strconv.FormatUint(uint64(stamp), 10), true
}

func (t *translator) text(lr plog.LogRecord) string {
	if t.cfg.Line == lineJSON {
		return t.document.text(lr)
	}
	if lr.Body().Type() == pcommon.ValueTypeStr {
		return lr.Body().Str()
	}
	return lr.Body().AsString()
}

// flatten gives each value of a map a name, joined by _, as Loki's OTLP endpoint does; any other value is text.
func flatten(key string, v pcommon.Value, put func(key, value string)) {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		put(key, v.Str())
	case pcommon.ValueTypeMap:
		for inner, value := range v.Map().All() {
			flatten(key+"_"+inner, value, put)
		}
	default:
		put(key, v.AsString())
	}
}
