package wire

import "slices"

// Path leads from a message to its items: the numbers of the repeated message fields on each level. If a level has several (the kinds of a metric's
// data), each is followed.
type Path [][]int

// Paths of OTLP's export requests (opentelemetry-proto v1), down to data points, log records and spans.
var (
	MetricPoints = Path{{1}, {2}, {2}, {5, 7, 9, 10, 11}, {1}}
	LogRecords   = Path{{1}, {2}, {2}}
	Spans        = Path{{1}, {2}, {2}}
)

// Item is a leaf of a path.
type Item struct {
	// Bytes is the item's own message.
	Bytes []byte
	// Around are the enclosing messages, outermost (the request) first.
	Around [][]byte
	// Kind is the field number of the item's parent in its own parent: for a data point, the kind of the metric.
	Kind int
}

// Group rebuilds msg once for each group to which assign assigns an item, in order of first appearance. Everything off the path (resource, scope,
// schema URL, a metric's name and temporality) is repeated in each group that has items below it. Parts of msg without items are omitted.
//
// The result costs one copy of msg per level, and the repetitions.
func Group[G comparable](msg []byte, path Path, assign func(Item) G) ([]G, [][]byte, error) {
	g := grouper[G]{path: path, assign: assign}
	parts, err := g.walk(msg, 0, 0)
	if err != nil {
		return nil, nil, err
	}
	groups, messages := make([]G, len(parts)), make([][]byte, len(parts))
	for i, p := range parts {
		groups[i], messages[i] = p.group, p.message
	}
	return groups, messages, nil
}

type grouper[G comparable] struct {
	path   Path
	assign func(Item) G
	around [][]byte
	kinds  []int // field numbers of the messages in around
}

type part[G comparable] struct {
	group   G
	message []byte
}

// walk returns msg's parts. kind is msg's field number.
func (g *grouper[G]) walk(msg []byte, level, kind int) ([]part[G], error) {
	if level == len(g.path) {
		return []part[G]{{group: g.assign(Item{Bytes: msg, Around: g.around, Kind: g.kinds[len(g.kinds)-1]}), message: msg}}, nil
	}
	g.around = append(g.around, msg)
	g.kinds = append(g.kinds, kind)
	defer func() {
		g.around, g.kinds = g.around[:len(g.around)-1], g.kinds[:len(g.kinds)-1]
	}()
	var context []byte
	var parts []part[G]
	var walkErr error
	err := Fields(msg, func(f Field) bool {
		if f.Bytes == nil || !slices.Contains(g.path[level], f.Number) {
			context = append(context, f.Raw...)
			return true
		}
		children, err := g.walk(f.Bytes, level+1, f.Number)
		if err != nil {
			walkErr = err
			return false
		}
		for _, c := range children {
			i := slices.IndexFunc(parts, func(p part[G]) bool { return p.group == c.group })
			if i < 0 {
				i = len(parts)
				parts = append(parts, part[G]{group: c.group})
			}
			parts[i].message = AppendBytes(parts[i].message, f.Number, c.message)
		}
		return true
	})
	if walkErr != nil {
		return nil, walkErr
	}
	if err != nil {
		return nil, err
	}
	for i := range parts {
		parts[i].message = append(parts[i].message, context...)
	}
	return parts, nil
}
