package rollup

import "sync"

// interner gives equal strings one small number, and forgets unused ones. Safe for concurrent use.
type interner struct {
	mu      sync.RWMutex
	ids     map[string]uint32
	entries []internEntry
	free    []uint32
}

type internEntry struct {
	text string
	refs uint32
}

func newInterner() *interner { return &interner{ids: map[string]uint32{}} }

// acquire returns the number of text, and counts one more user of it.
func (n *interner) acquire(text []byte) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.acquireLocked(text)
}

func (n *interner) acquireLocked(text []byte) uint32 {
	if id, ok := n.ids[string(text)]; ok {
		n.entries[id].refs++
		return id
	}
	id := uint32(len(n.entries))
	if last := len(n.free) - 1; last >= 0 {
		id, n.free = n.free[last], n.free[:last]
	} else {
		n.entries = append(n.entries, internEntry{})
	}
	s := string(text)
	n.entries[id] = internEntry{text: s, refs: 1}
	n.ids[s] = id
	return id
}

// retain counts one more user of id, which must be in use.
func (n *interner) retain(id uint32) {
	n.mu.Lock()
	n.entries[id].refs++
	n.mu.Unlock()
}

// release counts one user less.
func (n *interner) release(id uint32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := &n.entries[id]
	if e.refs--; e.refs == 0 {
		delete(n.ids, e.text)
		*e = internEntry{}
		n.free = append(n.free, id)
	}
}

// text returns the string of id, which must be in use.
func (n *interner) text(id uint32) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.entries[id].text
}
