// Package lentlogs decodes log records without copying their texts.
//
// plog.ProtoUnmarshaler allocates each text and doubles each list of attributes as it grows, some 24 allocations a record. Here the texts of a record
// share the memory of the request, lists get their size at once, and a third of the allocations are left.
package lentlogs

import (
	"bytes"
	"math"
	"strings"
	"unsafe"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata"
)

// Decode decodes an encoded ExportLogsServiceRequest to what plog.ProtoUnmarshaler decodes it to. The texts of the log records share request's memory,
// which must not change; those of resources and scopes, which components keep, are copies. A component that keeps another text clones it: else it keeps the
// whole request.
//
// ok is false for what no SDK writes: malformed bytes, fields that are unknown here, two resources in one. Such a request is plog.ProtoUnmarshaler's.
func Decode(request []byte) (ld plog.Logs, ok bool) {
	ld = plog.NewLogs()
	d := &decoder{}
	all := ld.ResourceLogs()
	for len(request) > 0 {
		tag, _, content, rest, ok := cut(request)
		if !ok || tag != requestResource || !d.resourceLogs(content, all.AppendEmpty()) {
			return plog.Logs{}, false
		}
		request = rest
	}
	return ld, true
}

// decoder decodes one request.
type decoder struct {
	copies bool                 // of texts
	idle   []*xpdata.MapBuilder // each empty
}

func (d *decoder) text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	s := unsafe.String(unsafe.SliceData(b), len(b))
	if d.copies {
		return strings.Clone(s)
	}
	return s
}

func (d *decoder) resourceLogs(b []byte, to plog.ResourceLogs) bool {
	d.copies = true
	resources := 0
	for len(b) > 0 {
		tag, _, content, rest, ok := cut(b)
		if !ok {
			return false
		}
		b = rest
		switch tag {
		case resourceResource:
			// A second one would add to the first.
			if resources++; resources > 1 || !d.resource(content, to.Resource()) {
				return false
			}
		case resourceScope:
			if !d.scopeLogs(content, to.ScopeLogs().AppendEmpty()) {
				return false
			}
		case resourceURL:
			to.SetSchemaUrl(d.text(content))
		default:
			return false
		}
	}
	return true
}

func (d *decoder) resource(b []byte, to pcommon.Resource) bool {
	attributes := list{tag: attributesOfResource}
	for len(b) > 0 {
		tag, number, _, rest, ok := cut(b)
		if !ok {
			return false
		}
		switch tag {
		case attributesOfResource:
			attributes.add(b)
		case droppedOfResource:
			to.SetDroppedAttributesCount(uint32(number))
		default:
			return false
		}
		b = rest
	}
	return d.entries(attributes, to.Attributes())
}

func (d *decoder) scopeLogs(b []byte, to plog.ScopeLogs) bool {
	to.LogRecords().EnsureCapacity(count(b, scopeRecord))
	scopes := 0
	for len(b) > 0 {
		tag, _, content, rest, ok := cut(b)
		if !ok {
			return false
		}
		b = rest
		switch tag {
		case scopeRecord:
			d.copies = false
			if !d.record(content, to.LogRecords().AppendEmpty()) {
				return false
			}
			d.copies = true
		case scopeScope:
			if scopes++; scopes > 1 || !d.scope(content, to.Scope()) {
				return false
			}
		case scopeURL:
			to.SetSchemaUrl(d.text(content))
		default:
			return false
		}
	}
	return true
}

func (d *decoder) scope(b []byte, to pcommon.InstrumentationScope) bool {
	attributes := list{tag: attributesOfScope}
	for len(b) > 0 {
		tag, number, content, rest, ok := cut(b)
		if !ok {
			return false
		}
		switch tag {
		case scopeName:
			to.SetName(d.text(content))
		case scopeVersion:
			to.SetVersion(d.text(content))
		case attributesOfScope:
			attributes.add(b)
		case droppedOfScope:
			to.SetDroppedAttributesCount(uint32(number))
		default:
			return false
		}
		b = rest
	}
	return d.entries(attributes, to.Attributes())
}

func (d *decoder) record(b []byte, to plog.LogRecord) bool {
	attributes := list{tag: attributesOfRecord}
	for len(b) > 0 {
		tag, number, content, rest, ok := cut(b)
		if !ok {
			return false
		}
		switch tag {
		case recordTime:
			to.SetTimestamp(pcommon.Timestamp(number))
		case recordObserved:
			to.SetObservedTimestamp(pcommon.Timestamp(number))
		case recordNumber:
			to.SetSeverityNumber(plog.SeverityNumber(number))
		case recordText:
			to.SetSeverityText(d.text(content))
		case recordBody:
			if !d.value(content, to.Body()) {
				return false
			}
		case attributesOfRecord:
			attributes.add(b)
		case droppedOfRecord:
			to.SetDroppedAttributesCount(uint32(number))
		case recordFlags:
			to.SetFlags(plog.LogRecordFlags(number))
		case recordTrace:
			switch len(content) {
			case len(pcommon.TraceID{}):
				to.SetTraceID(pcommon.TraceID(content))
			case 0:
				to.SetTraceID(pcommon.TraceID{})
			default:
				return false
			}
		case recordSpan:
			switch len(content) {
			case len(pcommon.SpanID{}):
				to.SetSpanID(pcommon.SpanID(content))
			case 0:
				to.SetSpanID(pcommon.SpanID{})
			default:
				return false
			}
		case recordEvent:
			to.SetEventName(d.text(content))
		default:
			return false
		}
		b = rest
	}
	return d.entries(attributes, to.Attributes())
}

// list is where the entries of a map are: n fields with a tag, the first one at the beginning of b.
type list struct {
	tag byte
	n   int
	b   []byte
}

// add adds the first field of b, which is well-formed. The fields behind it must be seen to be so, too.
func (l *list) add(b []byte) {
	if l.n == 0 {
		l.b = b
	}
	l.n++
}

// entries decodes the entries of a map.
func (d *decoder) entries(l list, to pcommon.Map) bool {
	if l.n == 0 {
		return true
	}
	if len(d.idle) == 0 {
		d.idle = append(d.idle, &xpdata.MapBuilder{})
	}
	last := len(d.idle) - 1
	m := d.idle[last]
	d.idle = d.idle[:last] // a map among the values takes another one
	m.EnsureCapacity(l.n)
	for b, left := l.b, l.n; left > 0; {
		tag, _, content, rest, _ := cut(b)
		b = rest
		if tag != l.tag {
			continue
		}
		left--
		if !d.entry(content, m) {
			return false
		}
	}
	m.UnsafeIntoMap(to)
	d.idle = append(d.idle, m)
	return true
}

// entry appends a KeyValue: a key and a value, in any order; either may be missing.
func (d *decoder) entry(b []byte, to *xpdata.MapBuilder) bool {
	key := ""
	var value []byte
	values := 0
	for len(b) > 0 {
		tag, _, content, rest, ok := cut(b)
		if !ok {
			return false
		}
		switch tag {
		case entryKey:
			key = d.text(content)
		case entryValue:
			value = content
			values++
		default:
			return false
		}
		b = rest
	}
	return values <= 1 && d.value(value, to.AppendEmpty(key))
}

// value decodes an AnyValue. Of several values the last one counts.
func (d *decoder) value(b []byte, to pcommon.Value) bool {
	for len(b) > 0 {
		tag, number, content, rest, ok := cut(b)
		if !ok {
			return false
		}
		b = rest
		switch tag {
		case valueString:
			to.SetStr(d.text(content))
		case valueBool:
			to.SetBool(number != 0)
		case valueInt:
			to.SetInt(int64(number))
		case valueDouble:
			to.SetDouble(math.Float64frombits(number))
		case valueArray:
			if !d.array(content, to.SetEmptySlice()) {
				return false
			}
		case valueMap:
			if !d.mapping(content, to.SetEmptyMap()) {
				return false
			}
		case valueBytes:
			to.SetEmptyBytes().FromRaw(bytes.Clone(content))
		default:
			return false
		}
	}
	return true
}

func (d *decoder) array(b []byte, to pcommon.Slice) bool {
	to.EnsureCapacity(count(b, elementOfList))
	for len(b) > 0 {
		tag, _, content, rest, ok := cut(b)
		if !ok || tag != elementOfList || !d.value(content, to.AppendEmpty()) {
			return false
		}
		b = rest
	}
	return true
}

func (d *decoder) mapping(b []byte, to pcommon.Map) bool {
	entries := list{tag: elementOfList}
	for len(b) > 0 {
		tag, _, _, rest, ok := cut(b)
		if !ok || tag != elementOfList {
			return false
		}
		entries.add(b)
		b = rest
	}
	return d.entries(entries, to)
}
