package admission

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/axiomhq/hyperloglog"
)

// ErrCorrupt is wrapped by the errors of Load.
var ErrCorrupt = errors.New("corrupt encoding")

// Save writes tree and table: the nodes with their ids, verdicts and sketches, then 8 bytes a series with the metric's id
// and the age. Whoever stores it versions it. No batch may be at work.
func Save(w io.Writer, tree *Tree, table *Table) error {
	bw := bufio.NewWriter(w)
	var nodes []*Node
	tree.Each(func(n *Node) { nodes = append(nodes, n) })
	b := binary.AppendUvarint(nil, uint64(len(nodes)))
	for _, n := range nodes {
		b = binary.AppendUvarint(b, uint64(n.ID))
		b = appendString(appendString(appendString(b, n.Tenant), n.Service), n.Metric)
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

// Load reads what Save wrote into an empty tree and table, and returns what follows it. Series are counted as they were, also
// past limits that have become smaller. After an error both are unusable.
func Load(data []byte, tree *Tree, table *Table) (rest []byte, err error) {
	r := &reader{b: data}
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		id := r.uvarint()
		name := nodeName{r.string(), r.string(), r.string()}
		if r.err != nil || !tree.load(name, id) {
			r.fail("metric")
			break
		}
		r.growth(&tree.Get(uint32(id)).Growth)
	}
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		fp, id, age := r.uint64(), r.uvarint(), r.bytes(1)
		if r.err != nil {
			break
		}
		node := tree.Get(uint32(min(id, 1<<24)))
		if node == nil || !table.Load(fp, node.ID, age[0]) {
			r.fail("series")
			break
		}
		tree.put(node)
	}
	if r.err != nil {
		return nil, fmt.Errorf("admission: %w", r.err)
	}
	return r.b, nil
}

// load makes a node under a given id.
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

// put counts a series of n, whatever the limits.
func (t *Tree) put(n *Node) {
	for _, c := range []*Counter{&n.Series, n.service, n.tenant, &t.total} {
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
			b = appendString(b, name)
		}
		b = binary.AppendUvarint(b, uint64(len(v.Ends)))
		for _, end := range v.Ends {
			b = binary.AppendUvarint(b, uint64(end))
		}
		b = binary.AppendUvarint(b, uint64(g.idle.Load()))
	}
	b = binary.AppendUvarint(b, uint64(len(g.values)))
	for name, d := range g.values {
		b = appendString(b, name)
		for _, sk := range []*hyperloglog.Sketch{d.now, d.before} {
			if sk == nil {
				b = append(b, 0)
				continue
			}
			data, err := sk.MarshalBinary()
			if err != nil {
				return nil, fmt.Errorf("sketch of %q: %w", name, err)
			}
			b = append(binary.AppendUvarint(b, uint64(len(data))), data...)
		}
	}
	return b, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// reader takes a state apart. After the first error everything reads as zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", what, ErrCorrupt)
	}
	r.b = nil
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail("length")
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) string() string { return string(r.bytes(r.uvarint())) }

func (r *reader) growth(g *Growth) {
	if flag := r.bytes(1); flag != nil && flag[0] == 1 {
		v := &Verdict{}
		for n := r.uvarint(); n > 0 && r.err == nil; n-- {
			v.Names = append(v.Names, r.string())
		}
		last := uint64(0)
		for n := r.uvarint(); n > 0 && r.err == nil; n-- {
			end := r.uvarint()
			if end < last || end > uint64(len(v.Names)) {
				r.fail("verdict")
			}
			last = end
			v.Ends = append(v.Ends, int(end))
		}
		if len(v.Ends) == 0 {
			r.fail("verdict")
			return
		}
		g.idle.Store(int32(min(r.uvarint(), verdictWindows)))
		g.verdict.Store(v)
	}
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		name := r.string()
		d := &distinct{now: r.sketch(), before: r.sketch()}
		if r.err != nil {
			return
		}
		if d.now == nil || len(g.values) >= maxAttributes {
			r.fail("sketches")
			return
		}
		if g.values == nil {
			g.values = map[string]*distinct{}
		}
		d.count()
		g.values[name] = d
	}
}

func (r *reader) sketch() *hyperloglog.Sketch {
	data := r.bytes(r.uvarint())
	if len(data) == 0 {
		return nil
	}
	sk := &hyperloglog.Sketch{}
	if err := sk.UnmarshalBinary(data); err != nil {
		r.fail("sketch")
		return nil
	}
	if err := sk.Merge(newSketch()); err != nil {
		r.fail("sketch") // Of another precision.
		return nil
	}
	return sk
}
