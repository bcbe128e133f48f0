package rows

import (
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// elementPath names a list element in the column exact, "events.3"; it becomes a string only when needed.
type elementPath struct {
	list  string
	index int
}

func (p elementPath) field(name string) string {
	return p.list + "." + strconv.Itoa(p.index) + "." + name
}

// element is str for a field of a list element.
func (c *collector) element(p elementPath, name, s string) []byte {
	t, ok := valid(s)
	if !ok {
		c.override(p.field(name), func(b []byte) []byte { return appendString(b, tagStringValue, s) })
	}
	return bytesOf(t)
}

// collectElement is collect for the attributes of a list element.
func (c *collector) collectElement(p elementPath, m pcommon.Map) *entries {
	before := len(c.exact)
	e := c.collect("", m, nil)
	if len(c.exact) > before { // rare: once more, under its name
		c.exact = c.exact[:before]
		e = c.collect(p.field("attributes"), m, nil)
	}
	return e
}

// putElementID is putID within a list.
func (e *encoder) putElementID(c *stringColumn, id []byte, empty bool, rep int16) {
	if empty {
		c.NullAt(rep)
	} else {
		c.PutAt(e.id(id), rep)
	}
}
