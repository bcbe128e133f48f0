package broker

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxPieces bounds the topics and partitions of a produce request. A decoder allocates an array of the length in the request if there is a byte for
// each element, so tens of megabytes of zeros would become gigabytes.
const maxPieces = 10_000

// checkPieces walks through a produce request and counts topics and partitions. Other requests are small enough.
func checkPieces(key int16, flexible bool, body []byte) error {
	if key != int16(kmsg.Produce) {
		return nil
	}
	w := walk{body: body, flexible: flexible}
	w.skip(w.length(2)) // transactional id
	w.skip(2 + 4)       // acks, timeout
	pieces := 0
	for topics := w.count(); topics > 0 && !w.bad; topics-- {
		w.skip(w.length(2)) // name
		partitions := w.count()
		if pieces += 1 + partitions; pieces > maxPieces || topics > maxPieces {
			return fmt.Errorf("%w: more than %d topics and partitions", errRequest, maxPieces)
		}
		for ; partitions > 0 && !w.bad; partitions-- {
			w.skip(4)
			w.skip(w.length(4)) // records
			w.tags()
		}
		w.tags()
	}
	if w.bad {
		return errRequest
	}
	return nil
}

// walk skips through the fields of a request; bad is set at its end.
type walk struct {
	body     []byte
	flexible bool
	bad      bool
}

func (w *walk) skip(n int) {
	if n < 0 || n > len(w.body) {
		w.bad, w.body = true, nil
		return
	}
	w.body = w.body[n:]
}

func (w *walk) uvarint() int {
	n, used := binary.Uvarint(w.body)
	if used <= 0 || n > 1<<31 {
		w.bad, w.body = true, nil
		return 0
	}
	w.body = w.body[used:]
	return int(n)
}

// length reads the length of a string (2 bytes) or bytes (4), 0 for one that is null.
func (w *walk) length(size int) int {
	if w.flexible {
		return max(0, w.uvarint()-1)
	}
	if size > len(w.body) {
		w.bad, w.body = true, nil
		return 0
	}
	var n int
	if size == 2 {
		n = int(int16(binary.BigEndian.Uint16(w.body)))
	} else {
		n = int(int32(binary.BigEndian.Uint32(w.body)))
	}
	w.body = w.body[size:]
	return max(0, n)
}

func (w *walk) count() int { return w.length(4) }

func (w *walk) tags() {
	if !w.flexible {
		return
	}
	for n := w.uvarint(); n > 0 && !w.bad; n-- {
		w.uvarint()
		w.skip(w.uvarint())
	}
}
