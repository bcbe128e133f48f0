package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/prometheus/prometheus/tsdb/wlog"
)

const pageBytes = 32 << 10

// ErrUnwanted is returned by a callback of Scan: the log must end before this record.
var ErrUnwanted = errors.New("unwanted record")

// Damage is a place in a log after which nothing can be read.
type Damage struct {
	// At is the position after the last readable record.
	At Position
	// Cause is the error at that place.
	Cause error
}

// Scan reads the segments of dir from number first on, and calls each for every record; each may be nil. It returns the first damage, or nil. Scan
// checks the CRC of every record, so it reads the whole log.
func Scan(dir string, first int, each func(record []byte) error) (*Damage, error) {
	all, err := numbers(dir)
	if err != nil {
		return nil, err
	}
	for i, n := range all {
		if n < first {
			continue
		}
		if i > 0 && all[i-1] >= first && all[i-1] != n-1 {
			last, err := os.Stat(name(dir, all[i-1]))
			if err != nil {
				return nil, err
			}
			return &Damage{Position{all[i-1], last.Size()}, fmt.Errorf("the next segment is %d", n)}, nil
		}
		damage, err := scanSegment(dir, n, each)
		if err != nil || damage != nil {
			return damage, err
		}
	}
	return nil, nil
}

func scanSegment(dir string, n int, each func([]byte) error) (*Damage, error) {
	segment, err := wlog.OpenReadSegment(name(dir, n))
	if err != nil {
		return nil, err
	}
	from := wlog.NewSegmentBufReader(segment)
	defer func() { _ = from.Close() }() // read only
	records := wlog.NewReader(from)
	good := int64(0)
	for records.Next() {
		if each != nil {
			if err := each(records.Record()); err != nil {
				if !errors.Is(err, ErrUnwanted) {
					return nil, err
				}
				return damageIn(dir, n, good, err)
			}
		}
		good = records.Offset()
	}
	if err := records.Err(); err != nil {
		if storage := new(os.PathError); errors.As(err, &storage) { // can't be read now; it may work later
			return nil, err
		}
		return damageIn(dir, n, good, err)
	}
	return nil, nil
}

// damageIn moves the end past the padding of a page that was ended early: padding is not damage.
func damageIn(dir string, n int, good int64, cause error) (*Damage, error) {
	f, err := os.Open(name(dir, n))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	if rest := (pageBytes - good%pageBytes) % pageBytes; rest > 0 {
		padding := make([]byte, rest)
		read, err := f.ReadAt(padding, good)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if strings.Trim(string(padding[:read]), "\x00") == "" {
			good += int64(read)
		}
	}
	var corrupt *wlog.CorruptionErr
	if errors.As(cause, &corrupt) {
		cause = corrupt.Err
	}
	return &Damage{Position{n, good}, cause}, nil
}
