package admission

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/axiomhq/hyperloglog"

	"github.com/penstockhq/penstock/internal/cursor"
)

// Save writes tree and table: the nodes with their ids, verdicts and sketches, then 8 bytes per series with the metric's id and the age.
// The caller stores a version with it. No batch may be in progress.
func Save(w io.Writer, tree *Tree, table *Table) error {
	bw := bufio.NewWriter(w)
	var nodes []*Node
	tree.Each(func(n *Node) { nodes = append(nodes, n) })
	b := binary.AppendUvarint(nil, uint64(len(nodes)))
	for _, n := range nodes {
		b = binary.AppendUvarint(b, uint64(n.ID))
		b = cursor.AppendBlock(cursor.AppendBlock(cursor.AppendBlock(b, n.Tenant), n.Service), n.Metric)
		var err error
		if b, err = n.Growth.append(b); err != nil {
			return err
		}
		if _, err := bw.Write(b); err != nil {
			return err
		}
		b = b[:0]
	}
	if _, err := bw.Write(binary.AppendUvarint(b, uint64(table.Len()))); err != nil {
		return err
	}
	table.Each(func(fp uint64, metric uint32, age uint8) {
		b = binary.LittleEndian.AppendUint64(b[:0], fp)
		b = append(binary.AppendUvarint(b, uint64(metric)), age)
		_, _ = bw.Write(b) // Flush returns the first error.
	})
	return bw.Flush()
}

// Format is a version of the output of Save.
type Format int

// The formats. Save writes the newest.
const (
	FormatNoLimited Format = 1 // without the sketch of the series that a budget limits: it starts empty
	FormatNewest    Format = 2
)

// Load reads the output of Save, in that format, into an empty tree and table, and returns the data after it. Its errors wrap
// cursor.ErrCorrupt. Series are counted as they were, even past limits that have become smaller. After an error both are unusable.
func Load(data []byte, format Format, tree *Tree, table *Table) (rest []byte, err error) {
	r := reader{cursor.New(data), format}
	for n := r.Uvarint(); n > 0 && r.Err() == nil; n-- {
		id := r.Uvarint()
		name := nodeName{r.String(), r.String(), r.String()}
		if r.Err() != nil || !tree.load(name, id) {
			r.Fail("metric")
			break
		}
		r.growth(&tree.Get(uint32(id)).Growth)
	}
	for n := r.Uvarint(); n > 0 && r.Err() == nil; n-- {
		fp, id, age := r.Uint64(), r.Uvarint(), r.Byte()
		if r.Err() != nil {
			break
		}
		node := tree.Get(uint32(min(id, 1<<24)))
		if node == nil || !table.Load(fp, node.ID, age) {
			r.Fail("series")
			break
		}
		tree.put(node)
	}
	if r.Err() != nil {
		return nil, fmt.Errorf("admission: %w", r.Err())
	}
	return r.Rest(), nil
}

// load creates a node with a given id.
func (t *Tree) load(name nodeName, id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id >= 1<<24 || t.nodes[name] != nil || (id < uint64(len(t.list)) && t.list[id] != nil) {
		return false
	}
	for uint64(len(t.list)) <= id {
		t.free = append(t.free, uint32(len(t.list)))
		t.list = append(t.list, nil)
	}
	for i, f := range t.free {
		if uint64(f) == id {
			t.free[i] = t.free[len(t.free)-1]
			t.free = t.free[:len(t.free)-1]
			break
		}
	}
	t.insertLocked(name, uint32(id))
	return true
}

// put counts a series of n, ignoring the limits.
func (t *Tree) put(n *Node) {
	for _, c := range n.counters(t) {
		c.used.Add(1)
	}
}

func (g *Growth) append(b []byte) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.verdict.Load()
	if v == nil {
		b = append(b, 0)
	} else {
		b = binary.AppendUvarint(append(b, 1), uint64(len(v.Names)))
		for _, name := range v.Names {
			b = cursor.AppendBlock(b, name)
		}
		b = binary.AppendUvarint(b, uint64(len(v.Ends)))
		for _, end := range v.Ends {
			b = binary.AppendUvarint(b, uint64(end))
		}
		b = binary.AppendUvarint(b, uint64(g.idle))
	}
	b, err := appendSketch(b, g.limited)
	if err != nil {
		return nil, err
	}
	b = binary.AppendUvarint(b, uint64(len(g.values)))
	for name, d := range g.values {
		b = cursor.AppendBlock(b, name)
		for _, sk := range []*hyperloglog.Sketch{d.now, d.before} {
			if b, err = appendSketch(b, sk); err != nil {
				return nil, fmt.Errorf("values of %q: %w", name, err)
			}
		}
	}
	return b, nil
}

// appendSketch writes a block, an empty one for nil.
func appendSketch(b []byte, sk *hyperloglog.Sketch) ([]byte, error) {
	if sk == nil {
		return append(b, 0), nil
	}
	data, err := sk.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("sketch: %w", err)
	}
	return cursor.AppendBlock(b, data), nil
}

// reader reads the parts of a tree.
type reader struct {
	*cursor.Reader
	format Format
}

func (r reader) growth(g *Growth) {
	if r.Byte() == 1 {
		v := &Verdict{}
		for n := r.Uvarint(); n > 0 && r.Err() == nil; n-- {
			v.Names = append(v.Names, r.String())
		}
		last := uint64(0)
		for n := r.Uvarint(); n > 0 && r.Err() == nil; n-- {
			end := r.Uvarint()
			if end < last || end > uint64(len(v.Names)) {
				r.Fail("verdict")
			}
			last = end
			v.Ends = append(v.Ends, int(end))
		}
		if len(v.Ends) == 0 {
			r.Fail("verdict")
			return
		}
		g.idle = int32(min(r.Uvarint(), verdictWindows))
		g.verdict.Store(v)
	}
	if r.format > FormatNoLimited {
		g.limited = r.sketch()
	}
	for n := r.Uvarint(); n > 0 && r.Err() == nil; n-- {
		name := r.String()
		d := &distinct{now: r.sketch(), before: r.sketch()}
		if r.Err() != nil {
			return
		}
		if d.now == nil || len(g.values) >= maxAttributes {
			r.Fail("sketches")
			return
		}
		if g.values == nil {
			g.values = map[string]*distinct{}
		}
		d.count()
		g.values[name] = d
	}
}

func (r reader) sketch() *hyperloglog.Sketch {
	data := r.Block()
	if len(data) == 0 {
		return nil
	}
	sk := &hyperloglog.Sketch{}
	if err := sk.UnmarshalBinary(data); err != nil {
		r.Fail("sketch")
		return nil
	}
	if err := sk.Merge(newSketch()); err != nil {
		r.Fail("sketch") // Of another precision.
		return nil
	}
	return sk
}
