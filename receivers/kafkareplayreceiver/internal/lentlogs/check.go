package lentlogs

// message describes the fields of a message that [Decode] knows.
type message struct {
	fields [128]*kind // by tag
	timed  bool       // a log record
	entry  bool       // a KeyValue
}

// kind describes a field.
type kind struct {
	of     *message // the content; nil: not a message
	once   bool     // of the fields of a message at most one is so, and comes at most once
	length int      // of the content, unless that is empty; 0: plain
}

var request = describe()

func describe() *message {
	plain := &kind{}
	value, entry, array, mapping := &message{}, &message{}, &message{}, &message{}
	*value = message{fields: [128]*kind{
		valueString: plain, valueBool: plain, valueInt: plain, valueDouble: plain, valueBytes: plain, valueArray: {of: array}, valueMap: {of: mapping},
	}}
	*entry = message{entry: true, fields: [128]*kind{entryKey: plain, entryValue: {of: value, once: true}}}
	array.fields[elementOfList] = &kind{of: value}
	mapping.fields[elementOfList] = &kind{of: entry}
	record := &message{timed: true, fields: [128]*kind{
		recordTime: plain, recordObserved: plain, recordNumber: plain, recordText: plain, recordBody: {of: value}, attributesOfRecord: {of: entry}, droppedOfRecord: plain,
		recordFlags: plain, recordTrace: {length: 16}, recordSpan: {length: 8}, recordEvent: plain,
	}}
	scope := &message{fields: [128]*kind{scopeName: plain, scopeVersion: plain, attributesOfScope: {of: entry}, droppedOfScope: plain}}
	scopeLogs := &message{fields: [128]*kind{scopeScope: {of: scope, once: true}, scopeRecord: {of: record}, scopeURL: plain}}
	resource := &message{fields: [128]*kind{attributesOfResource: {of: entry}, droppedOfResource: plain}}
	resourceLogs := &message{fields: [128]*kind{resourceResource: {of: resource, once: true}, resourceScope: {of: scopeLogs}, resourceURL: plain}}
	return &message{fields: [128]*kind{requestResource: {of: resourceLogs}}}
}

// Check reports whether [Decode] decodes an encoded ExportLogsServiceRequest, in a quarter of its time and without memory. It calls each with the times of each
// record, in ns, also of some records of a request that it refuses then.
func Check(encoded []byte, each func(time, observed uint64)) bool {
	return request.check(encoded, each)
}

func (m *message) check(b []byte, each func(time, observed uint64)) bool {
	if m.entry && shortText(b) {
		return true
	}
	var time, observed uint64
	seen := false // the field that comes at most once
	for len(b) > 0 {
		tag, number, content, rest, ok := cut(b)
		if !ok || tag >= 128 {
			return false
		}
		k := m.fields[tag]
		switch {
		case k == nil || k.once && seen || k.length > 0 && len(content) != k.length && len(content) > 0:
			return false
		case k.of != nil && !k.of.check(content, each):
			return false
		}
		seen = seen || k.once
		if m.timed {
			switch tag {
			case recordTime:
				time = number
			case recordObserved:
				observed = number
			}
		}
		b = rest
	}
	if m.timed {
		each(time, observed)
	}
	return true
}

// shortText reports whether b is a KeyValue as pdata writes most: a text and a key, each of which has a length of one byte. It is half of the check's time.
func shortText(b []byte) bool {
	if len(b) < 6 || b[0] != entryValue || b[2] != valueString {
		return false
	}
	value := int(b[1]) // of the AnyValue
	key := 2 + value   // where it begins
	return value < 128 && value == 2+int(b[3]) && len(b) >= key+2 && b[key] == entryKey && b[key+1] < 128 && len(b) == key+2+int(b[key+1])
}
