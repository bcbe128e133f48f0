package parse

import (
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
)

// member is one of the top-level members of a structured line, before it is known whether it becomes an attribute. kind says which field
// has the value; a map or a slice is in nested.
type member struct {
	key    string
	kind   pcommon.ValueType
	text   string
	int    int64
	double float64
	nested pcommon.Value
	taken  bool // it was put into a field of the record
}

func (m *member) isText() bool { return m.kind == pcommon.ValueTypeStr }

func (m *member) setText(s string) { m.kind, m.text = pcommon.ValueTypeStr, s }

// put adds the member to a.
func (m *member) put(a pcommon.Map) {
	switch m.kind {
	case pcommon.ValueTypeStr:
		a.PutStr(m.key, m.text)
	case pcommon.ValueTypeInt:
		a.PutInt(m.key, m.int)
	case pcommon.ValueTypeDouble:
		a.PutDouble(m.key, m.double)
	case pcommon.ValueTypeBool:
		a.PutBool(m.key, m.int != 0)
	case pcommon.ValueTypeEmpty:
		a.PutEmpty(m.key)
	default:
		m.nested.MoveTo(a.PutEmpty(m.key))
	}
}

// spare is the room for attributes that readers of files add to those of a line: the file's name and path, the offset, a part or a stream.
const spare = 4

// Parser parses lines into records. It keeps memory between lines, but no text of them. The zero value is ready; not safe for concurrent
// use.
type Parser struct{ members []member }

// named returns the member of this name: the existing one, emptied, or a new one.
func (p *Parser) named(key string) *member {
	for i := range p.members {
		if p.members[i].key == key {
			p.members[i] = member{key: key}
			return &p.members[i]
		}
	}
	p.members = append(p.members, member{key: key})
	return &p.members[len(p.members)-1]
}

// forget drops references to a line's texts.
func (p *Parser) forget() {
	clear(p.members)
	p.members = p.members[:0]
}

// lift moves members into the record's fields, and makes attributes of the others. body: a message that is a string becomes the body;
// otherwise it is dropped, because the body has the whole line.
func (p *Parser) lift(r plog.LogRecord, clock logvalue.Clock, body bool) {
	f := fields{members: p.members}
	f.collect()
	f.liftTime(r, clock)
	f.liftLevel(r)
	f.liftIDs(r)
	found := f.exception()
	if m := f.message.of(p.members); m != nil && (m.isText() || !body) {
		m.taken = true
		if body {
			r.Body().SetStr(m.text)
		}
	}
	left := spare
	for i := range p.members {
		if !p.members[i].taken {
			left++
		}
	}
	a := r.Attributes()
	a.EnsureCapacity(left + found.parts())
	for i := range p.members {
		if m := &p.members[i]; !m.taken {
			m.put(a)
		}
	}
	found.put(a, "")
}

// candidate is the member that fits a role best.
type candidate struct {
	index int // index in the members, from 1; 0: there is none
	rank  int
}

func (c *candidate) offer(index, rank int) {
	if c.index == 0 || rank < c.rank {
		*c = candidate{index + 1, rank}
	}
}

// of returns the member; nil: there is none.
func (c candidate) of(members []member) *member {
	if c.index == 0 {
		return nil
	}
	return &members[c.index-1]
}

// take passes the member's text to to, and marks the member as taken if to could parse it.
func (c candidate) take(members []member, to func(text string) bool) {
	if m := c.of(members); m != nil && m.isText() && to(m.text) {
		m.taken = true
	}
}

// setWord sets a value of logfmt: it is a number if its text is the canonical way to write it; 007 and +1 stay text.
func (m *member) setWord(word string) {
	if word != "" && (logvalue.IsDigit(word[0]) || word[0] == '-') && m.setNumber(word) == nil {
		if m.kind != pcommon.ValueTypeDouble || strconv.FormatFloat(m.double, 'f', -1, 64) == word {
			return
		}
	}
	m.setText(word)
}
