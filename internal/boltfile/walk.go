package boltfile

import (
	"bytes"
	"fmt"
	"io"
)

// walker walks the tree of one file.
type walker struct {
	r      io.ReaderAt
	meta   meta
	bucket string
	visit  Visit

	seen   []uint64 // bitmap of used pages
	inner  uint64   // the root page of the bucket; 0: it is inline, or there is none
	report Report
}

// bounds are the bounds of a node's keys: the first one equals first, all are less than next. nil: no bound. (bbolt finds a node in its parent by
// its first key, and would enter it there a second time.)
type bounds struct{ first, next []byte }

// page is the head of a node: the part with its elements and keys.
type page struct {
	id       uint64
	flags    uint16
	count    int
	size     int64 // of the page, including its overflow
	start    int64 // of the page, in the file
	elements []byte
}

// mark records that page id is used. It returns false if it already was.
func (w *walker) mark(id uint64) bool {
	if w.seen[id/64]&(1<<(id%64)) != 0 {
		return false
	}
	w.seen[id/64] |= 1 << (id % 64)
	return true
}

func damaged(id uint64, format string, args ...any) error {
	return &Damage{Page, fmt.Sprintf("page %d: ", id) + fmt.Sprintf(format, args...)}
}

// header reads the head of page id and marks its pages.
func (w *walker) header(id uint64) (page, error) {
	if id < 2 || id >= w.meta.highWater {
		return page{}, damaged(id, "the file has %d pages", w.meta.highWater)
	}
	p := page{id: id, start: int64(id) * w.meta.pageSize}
	var b [pageHeaderSize]byte
	if _, err := w.r.ReadAt(b[:], p.start); err != nil {
		return page{}, err
	}
	overflow := uint64(order.Uint32(b[12:]))
	if self := order.Uint64(b[:]); self != id {
		return page{}, damaged(id, "it says that it is page %d", self)
	}
	if id+overflow >= w.meta.highWater {
		return page{}, damaged(id, "it says that it is %d pages long, and the file has %d", overflow+1, w.meta.highWater)
	}
	for n := id; n <= id+overflow; n++ {
		if !w.mark(n) {
			return page{}, damaged(n, "it belongs to two nodes")
		}
	}
	p.flags, p.count, p.size = order.Uint16(b[8:]), int(order.Uint16(b[10:])), int64(overflow+1)*w.meta.pageSize
	return p, nil
}

// freelist marks the page of the list of free pages, which bbolt then trusts.
func (w *walker) freelist(id uint64) error {
	p, err := w.header(id)
	if err != nil {
		return err
	}
	if p.flags != 0x10 || int64(p.count)*8+pageHeaderSize > p.size {
		return damaged(id, "it is not the list of free pages")
	}
	return nil
}

// node checks page id and its children. leaf processes the elements of its leaves.
func (w *walker) node(id uint64, within bounds, depth int, leaf leafFunc) error {
	p, err := w.header(id)
	if err != nil {
		return err
	}
	if p.flags != flagBranch && p.flags != flagLeaf {
		return damaged(id, "its kind is %#x", p.flags)
	}
	if depth > maxDepth {
		return damaged(id, "it is %d levels deep", depth)
	}
	if int64(p.count)*elementSize+pageHeaderSize > p.size {
		return damaged(id, "it says that it has %d elements, and is %d bytes long", p.count, p.size)
	}
	p.elements = make([]byte, p.count*elementSize)
	if _, err := w.r.ReadAt(p.elements, p.start+pageHeaderSize); err != nil {
		return err
	}
	if p.flags == flagLeaf {
		return w.leaf(p, within, leaf)
	}
	if p.count == 0 {
		return damaged(id, "a branch without an element")
	}
	return w.branch(p, within, depth, leaf)
}

func (w *walker) branch(p page, within bounds, depth int, leaf leafFunc) error {
	keys := make([][]byte, p.count)
	for i := range keys {
		e := p.elements[i*elementSize:]
		key, err := w.read(p, i, int64(order.Uint32(e)), int64(order.Uint32(e[4:])))
		if err != nil {
			return err
		}
		keys[i] = key
	}
	if err := inOrder(p.id, keys, within); err != nil {
		return err
	}
	for i := range keys {
		below := bounds{first: keys[i], next: within.next}
		if i+1 < len(keys) {
			below.next = keys[i+1]
		}
		if err := w.node(order.Uint64(p.elements[i*elementSize+8:]), below, depth+1, leaf); err != nil {
			return err
		}
	}
	return nil
}

// leafFunc processes an element of a leaf: its key, and the position of its value.
type leafFunc func(p page, flags uint32, key []byte, valueAt, valueSize int64) error

func (w *walker) leaf(p page, within bounds, take leafFunc) error {
	keys := make([][]byte, p.count)
	for i := range keys {
		e := p.elements[i*elementSize:]
		pos, keySize, valueSize := int64(order.Uint32(e[4:])), int64(order.Uint32(e[8:])), int64(order.Uint32(e[12:]))
		key, err := w.read(p, i, pos, keySize)
		if err != nil {
			return err
		}
		keys[i] = key
		at := pageHeaderSize + int64(i)*elementSize + pos + keySize
		if at+valueSize > p.size {
			return damaged(p.id, "element %d ends at %d, the page at %d", i, at+valueSize, p.size)
		}
		if err := take(p, order.Uint32(e), key, p.start+at, valueSize); err != nil {
			return err
		}
	}
	return inOrder(p.id, keys, within)
}

// read returns the key of element i, which begins pos bytes after the element's beginning.
func (w *walker) read(p page, i int, pos, size int64) ([]byte, error) {
	at := pageHeaderSize + int64(i)*elementSize + pos
	if at < pageHeaderSize+int64(p.count)*elementSize || at+size > p.size {
		return nil, damaged(p.id, "the key of element %d lies at %d to %d of %d bytes", i, at, at+size, p.size)
	}
	key := make([]byte, size)
	_, err := w.r.ReadAt(key, p.start+at)
	return key, err
}

func inOrder(id uint64, keys [][]byte, within bounds) error {
	if within.first != nil && (len(keys) == 0 || !bytes.Equal(keys[0], within.first)) {
		return damaged(id, "its first key is not the one that its parent has for it")
	}
	for i, key := range keys {
		if i > 0 && bytes.Compare(keys[i-1], key) >= 0 {
			return damaged(id, "its keys are not in order")
		}
		if within.next != nil && bytes.Compare(key, within.next) >= 0 {
			return damaged(id, "a key belongs to the node after it")
		}
	}
	return nil
}

// bucketEntry processes an element of the file's root: its buckets.
func (w *walker) bucketEntry(p page, flags uint32, key []byte, at, size int64) error {
	if flags != 1 || string(key) != w.bucket || size < bucketSize || w.inner != 0 {
		return damaged(p.id, "it holds %q, which is not the bucket %q", key, w.bucket)
	}
	value := make([]byte, size)
	if _, err := w.r.ReadAt(value, at); err != nil {
		return err
	}
	if w.inner = order.Uint64(value); w.inner != 0 {
		return nil
	}
	return w.inline(p.id, value[bucketSize:])
}

// inline checks a bucket that is small enough to be a value of the root.
func (w *walker) inline(id uint64, b []byte) error {
	if len(b) < pageHeaderSize {
		return damaged(id, "its bucket has %d bytes", len(b))
	}
	p := page{id: id, flags: order.Uint16(b[8:]), count: int(order.Uint16(b[10:])), size: int64(len(b))}
	if p.flags != flagLeaf || int64(p.count)*elementSize+pageHeaderSize > p.size {
		return damaged(id, "its bucket is of kind %#x with %d elements", p.flags, p.count)
	}
	p.elements = b[pageHeaderSize : pageHeaderSize+p.count*elementSize]
	outer := w.r
	w.r = bytes.NewReader(b)
	defer func() { w.r = outer }()
	return w.leaf(p, bounds{}, w.entry)
}

// entry processes a value of the bucket.
func (w *walker) entry(p page, flags uint32, key []byte, at, size int64) error {
	if flags != 0 || len(key) == 0 {
		return damaged(p.id, "it holds a bucket in the bucket %q", w.bucket)
	}
	w.report.Values++
	w.report.Bytes += int64(len(key)) + size
	if w.visit == nil {
		return nil
	}
	r := w.r
	return w.visit(key, func() ([]byte, error) {
		value := make([]byte, size)
		_, err := r.ReadAt(value, at)
		return value, err
	})
}
