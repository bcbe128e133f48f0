package fold

import "github.com/penstockhq/penstock/internal/streamkey"

// contributor is the latest point of a stream that is folded into an overflow stream.
type contributor struct {
	key         streamkey.Key
	start, time int64
	value       Value
	stream      *Stream
	older       uint32 // neighbours in order of use, 0 for none
	newer       uint32
}

// contributors is a table in order of use. It is not safe for concurrent use.
//
// Memory: about 130 bytes per number; histograms add 210 bytes and 8 for each bucket and bound.
type contributors struct {
	index  map[streamkey.Key]uint32
	slots  []contributor // slot 0 is unused, so that 0 can mean none
	free   []uint32
	oldest uint32
	newest uint32
	// horizon is the newest time of all forgotten contributors: a stream that began before it may be one of them.
	horizon int64
}

func newContributors() *contributors {
	return &contributors{index: map[streamkey.Key]uint32{}, slots: make([]contributor, 1)}
}

func (c *contributors) len() int { return len(c.index) }

// find returns the contributor, nil if it is unknown, and marks it as most recently used.
func (c *contributors) find(key streamkey.Key) *contributor {
	i, ok := c.index[key]
	if !ok {
		return nil
	}
	if i != c.newest {
		c.unlink(i)
		c.link(i)
	}
	return &c.slots[i]
}

// add adds a contributor that is not in the table. The pointer is valid until the next call.
func (c *contributors) add(key streamkey.Key) *contributor {
	var i uint32
	if n := len(c.free); n > 0 {
		i, c.free = c.free[n-1], c.free[:n-1]
	} else {
		c.slots = append(c.slots, contributor{})
		i = uint32(len(c.slots) - 1)
	}
	c.slots[i] = contributor{key: key}
	c.index[key] = i
	c.link(i)
	return &c.slots[i]
}

// forgetOldest removes the least recently used one, and raises the horizon.
func (c *contributors) forgetOldest() (gone contributor, ok bool) {
	if c.oldest == 0 {
		return gone, false
	}
	gone = c.forget(c.oldest)
	c.horizon = max(c.horizon, gone.time)
	return gone, true
}

// forget removes the contributor in slot i.
func (c *contributors) forget(i uint32) contributor {
	gone := c.slots[i]
	c.unlink(i)
	delete(c.index, gone.key)
	c.slots[i] = contributor{}
	c.free = append(c.free, i)
	return gone
}

// peekOldest returns the least recently used one.
func (c *contributors) peekOldest() *contributor {
	if c.oldest == 0 {
		return nil
	}
	return &c.slots[c.oldest]
}

func (c *contributors) link(i uint32) {
	c.slots[i].older, c.slots[i].newer = c.newest, 0
	if c.newest != 0 {
		c.slots[c.newest].newer = i
	} else {
		c.oldest = i
	}
	c.newest = i
}

func (c *contributors) unlink(i uint32) {
	older, newer := c.slots[i].older, c.slots[i].newer
	if older != 0 {
		c.slots[older].newer = newer
	} else {
		c.oldest = newer
	}
	if newer != 0 {
		c.slots[newer].older = older
	} else {
		c.newest = older
	}
}
