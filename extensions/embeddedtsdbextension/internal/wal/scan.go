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

// ErrUnwanted is for the callback of Scan: the log must end before this record.
var ErrUnwanted = errors.New("unwanted record")

// Damage is a place of a log behind which nothing can be read.
type Damage struct {
	// At lies behind the last record that can be read.
	At Position
	// Cause says what is wrong there.
	Cause error
}

// Scan reads the segments of dir from number first on, and calls each for every record; nil calls nothing. It returns the first damage,
// or nil. Records are checked by their CRC, so it costs one reading of the log.
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
		if storage := new(os.PathError); errors.As(err, &storage) { // can't be read now: another time, perhaps
			return nil, err
		}
		return damageIn(dir, n, good, err)
	}
	return nil, nil
}

// damageIn moves the end behind the padding of a page that was ended early: padding is no damage.
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
