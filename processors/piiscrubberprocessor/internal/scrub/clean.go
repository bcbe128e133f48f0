package scrub

import "hash/maphash"

const (
	// cleanSlots is how many clean attributes a Batch remembers: 8 KiB.
	cleanSlots = 1 << 10
	// cleanNames is how many keys: 2 KiB.
	cleanNames = 1 << 8
	// maxRemembered is the longest value that is remembered, in bytes.
	maxRemembered = 128
)

// cleanSet remembers attributes without findings, by a hash of key and value, because most attributes of telemetry repeat. Its seeds are
// random, so nobody can construct a value that is mistaken for another; by chance it happens once in 2^64 times.
type cleanSet struct {
	keys, values maphash.Seed
	noKey        uint64 // the hash of no key
	slots        [cleanSlots]uint64
	names        [cleanNames]uint64 // of keys that name no secret and have no finding
}

func newCleanSet() *cleanSet {
	c := &cleanSet{keys: maphash.MakeSeed(), values: maphash.MakeSeed()}
	c.noKey, _ = c.name("")
	return c
}

// name returns the hash of a key, never zero, and its slot.
func (c *cleanSet) name(key string) (hash uint64, slot *uint64) {
	if hash = maphash.String(c.keys, key); hash == 0 {
		hash = 1
	}
	return hash, &c.names[hash%cleanNames]
}

// of returns the hash of an attribute, never zero, and its slot; name is that of its key.
func (c *cleanSet) of(name uint64, value string) (hash uint64, slot *uint64) {
	hash = name*0x9E3779B97F4A7C15 + maphash.String(c.values, value)
	if hash == 0 {
		hash = 1
	}
	return hash, &c.slots[hash%cleanSlots]
}
