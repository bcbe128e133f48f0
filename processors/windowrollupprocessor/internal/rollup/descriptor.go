package rollup

import "sync"

// descriptor is the common part of streams of one metric.
type descriptor struct {
	names    uint32 // interned: the attributes' names
	ident    uint32 // interned: tenant, resource, scope
	metric   uint32 // interned: name, unit, description
	overflow bool   // overflow stream
}

// descriptors numbers descriptors, and forgets those without a stream. It retains the three names of each once, for all of its streams.
// Safe for concurrent use.
type descriptors struct {
	mu      sync.Mutex
	ids     map[descriptor]uint32
	entries []descriptorEntry
	free    []uint32
}

type descriptorEntry struct {
	descriptor
	refs uint32
}

func newDescriptors() *descriptors { return &descriptors{ids: map[descriptor]uint32{}} }

// acquire returns the number of f, and counts one more user of it. fresh: it is the first.
func (n *descriptors) acquire(f descriptor) (id uint32, fresh bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if id, ok := n.ids[f]; ok {
		n.entries[id].refs++
		return id, false
	}
	id = uint32(len(n.entries))
	if last := len(n.free) - 1; last >= 0 {
		id, n.free = n.free[last], n.free[:last]
	} else {
		n.entries = append(n.entries, descriptorEntry{})
	}
	n.entries[id] = descriptorEntry{descriptor: f, refs: 1}
	n.ids[f] = id
	return id, true
}

// retain counts one more user of id, which must be in use.
func (n *descriptors) retain(id uint32) {
	n.mu.Lock()
	n.entries[id].refs++
	n.mu.Unlock()
}

// release counts one user less. gone: it was the last.
func (n *descriptors) release(id uint32) (f descriptor, gone bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := &n.entries[id]
	f = e.descriptor
	if e.refs--; e.refs > 0 {
		return f, false
	}
	delete(n.ids, f)
	*e = descriptorEntry{}
	n.free = append(n.free, id)
	return f, true
}

// of returns the descriptor that has the number, which must be in use.
func (n *descriptors) of(id uint32) descriptor {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.entries[id].descriptor
}
