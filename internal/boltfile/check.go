package boltfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// Kind is the kind of a file's damage; it is the reason in counters.
type Kind string

// The kinds of damage.
const (
	Empty     Kind = "empty"     // zero bytes: the file was truncated, or the process died while it created the file
	Zeroed    Kind = "zeroed"    // its first pages are zero
	Truncated Kind = "truncated" // pages are missing at the end
	Root      Kind = "root"      // neither root page is valid
	Page      Kind = "page"      // a page that the tree needs is not valid
)

// Damage is an error about the content of a file. Other errors of this package are the storage's.
type Damage struct {
	Kind Kind
	Text string
}

func (d *Damage) Error() string { return d.Text }

// Report describes a file that can be opened.
type Report struct {
	// OneRoot says that one of the two root pages fails its checksum. bbolt continues from the other: if that is the older one, the last
	// transaction is missing.
	OneRoot bool
	// Values is the number of values, Bytes the size of keys and values together.
	Values, Bytes int64
}

const (
	magic          = 0xED0CDAED
	version        = 2
	pageHeaderSize = 16
	elementSize    = 16
	bucketSize     = 16
	metaSize       = 64 // without its checksum: 56
	minPageSize    = 1 << 10
	maxPageSize    = 64 << 10
	noFreelist     = ^uint64(0)

	flagBranch = 0x01
	flagLeaf   = 0x02

	// maxDepth bounds the tree: with two keys a page it would hold 2^32 pages.
	maxDepth = 32
)

// order is the machine's byte order, because bbolt maps its structures.
var order = binary.NativeEndian

type meta struct {
	pageSize         int64
	root, freelist   uint64
	highWater, trans uint64
}

// Visit is called with each key of a file and a function that reads its value. key is valid during the call, value until the check returns.
type Visit func(key []byte, value func() ([]byte, error)) error

// CheckFile is [Check] for the file at path. The file must not be written meanwhile.
func CheckFile(path, bucket string, visit Visit) (Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return Report{}, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return Report{}, err
	}
	return Check(f, info.Size(), bucket, visit)
}

// Check walks the tree in a file of size bytes. It calls visit, if it is not nil, with every key of the file's only bucket, and returns its errors.
// A *[Damage] describes the damage. Check reads the first page of every node, and a value when visit requests it.
func Check(r io.ReaderAt, size int64, bucket string, visit Visit) (Report, error) {
	if size == 0 {
		return Report{}, &Damage{Empty, "the file is empty"}
	}
	m, one, err := readMetas(r, size)
	if err != nil {
		return Report{}, err
	}
	if int64(m.highWater) > size/m.pageSize {
		return Report{}, &Damage{Truncated, fmt.Sprintf("the file has %d bytes of at least %d", size, int64(m.highWater)*m.pageSize)}
	}
	w := &walker{r: r, meta: m, bucket: bucket, visit: visit, seen: make([]uint64, m.highWater/64+1)}
	w.report.OneRoot = one
	for id := range uint64(2) {
		w.mark(id)
	}
	if m.freelist != noFreelist {
		if err := w.freelist(m.freelist); err != nil {
			return Report{}, err
		}
	}
	if err := w.node(m.root, bounds{}, 0, w.bucketEntry); err != nil {
		return Report{}, err
	}
	if w.inner != 0 {
		if err := w.node(w.inner, bounds{}, 0, w.entry); err != nil {
			return Report{}, err
		}
	}
	return w.report, nil
}

// readMetas returns the newer of the valid root pages. one: only one of them is valid.
func readMetas(r io.ReaderAt, size int64) (m meta, one bool, err error) {
	first, err := readMeta(r, size, 0)
	if err != nil && !isDamage(err) {
		return meta{}, false, err
	}
	firstHolds := err == nil
	// The second is one page further on, and only the first contains the size of a page.
	lo, hi := int64(minPageSize), int64(maxPageSize)
	if firstHolds {
		lo, hi = first.pageSize, first.pageSize
	}
	for pageSize := lo; pageSize <= hi; pageSize *= 2 {
		second, err := readMeta(r, size, pageSize)
		switch {
		case err != nil && !isDamage(err):
			return meta{}, false, err
		case err != nil || second.pageSize != pageSize:
			continue
		case !firstHolds:
			return second, true, nil
		case second.trans > first.trans:
			return second, false, nil
		default:
			return first, false, nil
		}
	}
	if firstHolds {
		return first, true, nil
	}
	if zero, err := isZero(r, min(size, 2*maxPageSize)); err != nil {
		return meta{}, false, err
	} else if zero {
		return meta{}, false, &Damage{Zeroed, "the file begins with zeros"}
	}
	return meta{}, false, &Damage{Root, "neither of its two root pages is valid"}
}

// readMeta reads the root page that begins at offset.
func readMeta(r io.ReaderAt, size, offset int64) (meta, error) {
	if offset+pageHeaderSize+metaSize > size {
		return meta{}, &Damage{Truncated, fmt.Sprintf("the file ends after %d bytes, within its root pages", size)}
	}
	var b [metaSize]byte
	if _, err := r.ReadAt(b[:], offset+pageHeaderSize); err != nil {
		return meta{}, err
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSize-8])
	m := meta{pageSize: int64(order.Uint32(b[8:])), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]),
		highWater: order.Uint64(b[40:]), trans: order.Uint64(b[48:])}
	if order.Uint32(b[:]) != magic || order.Uint32(b[4:]) != version || order.Uint64(b[metaSize-8:]) != sum.Sum64() {
		return meta{}, &Damage{Root, "a root page is not valid"}
	}
	if m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0 || m.highWater > 1<<40 {
		return meta{}, &Damage{Root, fmt.Sprintf("a root page says pages of %d bytes, %d of them", m.pageSize, m.highWater)}
	}
	return m, nil
}

func isDamage(err error) bool {
	var d *Damage
	return errors.As(err, &d)
}

func isZero(r io.ReaderAt, n int64) (bool, error) {
	b := make([]byte, n)
	if _, err := r.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	for _, c := range b {
		if c != 0 {
			return false, nil
		}
	}
	return true, nil
}
