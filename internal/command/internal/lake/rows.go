package lake

import (
	"cmp"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/parquet/file"
)

// Span is a range of offsets of a partition: from First up to, not including, Next.
type Span struct{ First, Next int64 }

// Holding is what some files of a lake hold.
type Holding struct {
	Rows  int64
	Files int
	// Spans are the offsets that the names of the files say, by partition, in order and joined.
	Spans map[int32][]Span
	// Unnamed files don't say which offsets they hold.
	Unnamed int
}

// spanName is the name of a file that a follower or a job has written: <topic>-<partition>[@job][-g<generation>]-<first>-<next>-<part>.parquet.
var spanName = regexp.MustCompile(`^.+?-(\d+)(?:@[a-z0-9-]+?)?(?:-g(\d+))?-(\d{20})-(\d{20})-(?:refilled-)?\d+\.parquet$`)

// Hold reads what the lake below root holds of signal, with event times in an hour, by tenant. A lake that is not there holds nothing.
func Hold(root, signal string, hour time.Time) (map[string]*Holding, error) {
	hour = hour.UTC()
	dir := filepath.Join(root, signal, "date="+hour.Format(time.DateOnly), "hour="+hour.Format("15"))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string]*Holding{}
	for _, e := range entries {
		encoded, ok := strings.CutPrefix(e.Name(), "tenant=")
		if !ok {
			continue
		}
		tenant, err := url.PathUnescape(encoded)
		if err != nil {
			tenant = encoded
		}
		h, err := holdingOf(filepath.Join(dir, e.Name()), true)
		if err != nil {
			return nil, err
		}
		all[tenant] = h
	}
	return all, nil
}

// Covered reads from the names of all files of signal which offsets they have.
func Covered(root, signal string) (*Holding, error) {
	return holdingOf(filepath.Join(root, signal), false)
}

// holdingOf reads all finished files below dir; count: their rows, too.
func holdingOf(dir string, count bool) (*Holding, error) {
	h := &Holding{Spans: map[int32][]Span{}}
	newest := map[int32]int{} // generation
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, extension) {
			return err
		}
		h.Files++
		if count {
			rows, err := rowsOf(path)
			if err != nil {
				return err
			}
			h.Rows += rows
		}
		m := spanName.FindStringSubmatch(d.Name())
		if m == nil {
			h.Unnamed++
			return nil
		}
		partition, _ := strconv.ParseInt(m[1], 10, 32)
		generation, _ := strconv.Atoi(m[2])
		first, _ := strconv.ParseInt(m[3], 10, 64)
		next, _ := strconv.ParseInt(m[4], 10, 64)
		p := int32(partition)
		switch { // An offset means one record within a generation only.
		case generation > newest[p]:
			newest[p], h.Spans[p] = generation, nil
		case generation < newest[p]:
			return nil
		}
		h.Spans[p] = append(h.Spans[p], Span{first, next})
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for p, spans := range h.Spans {
		h.Spans[p] = join(spans)
	}
	return h, err
}

func rowsOf(path string) (int64, error) {
	r, err := file.OpenParquetFile(path, false)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // compaction has merged it
	}
	if err != nil {
		return 0, err
	}
	return r.NumRows(), r.Close()
}

// join sorts spans, and makes one of those that touch.
func join(spans []Span) (all []Span) {
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.First, b.First) })
	for _, s := range spans {
		if n := len(all); n > 0 && s.First <= all[n-1].Next {
			all[n-1].Next = max(all[n-1].Next, s.Next)
			continue
		}
		all = append(all, s)
	}
	return all
}

// Gaps returns what of within is in none of spans, which Hold or Covered have returned.
func Gaps(spans []Span, within Span) (gaps []Span) {
	at := within.First
	for _, s := range spans {
		if s.First > at && at < within.Next {
			gaps = append(gaps, Span{at, min(s.First, within.Next)})
		}
		at = max(at, s.Next)
	}
	if at < within.Next {
		gaps = append(gaps, Span{at, within.Next})
	}
	return gaps
}
