package commitlog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk/disktest"
)

func newDisk(seed uint64) *disktest.FS {
	fsys := disktest.New(seed)
	if err := fsys.MakeDirectory("/data/partitions"); err != nil {
		panic(err)
	}
	_ = fsys.SyncDirectory("/data")
	_ = fsys.SyncDirectory("/")
	return fsys
}

// schedule is a random life of a log: the acknowledged batches, and everything that was ever seen at an offset.
type schedule struct {
	rng          *rand.Rand
	fsys         *disktest.FS
	p            *commitlog.Partition
	acknowledged map[int64]string
	seen         map[int64]string
	waiting      []sent // in the order of their sequence; not acknowledged yet
	sequence     int32
	start        int64 // trimmed up to here
	steps        []string
	last         bool // nothing new is sent
}

type sent struct {
	value string
	raw   []byte
}

func (s *schedule) note(format string, args ...any) {
	s.steps = append(s.steps, fmt.Sprintf(format, args...))
}

var errInjected = errors.Join(syscall.EIO)

// faults makes each operation fail with a probability of one in n, and all writes when the disk is full.
func (s *schedule) faults(n int) {
	full := s.rng.IntN(8) == 0
	s.fsys.SetFault(func(operation, _ string) error {
		switch {
		case full && operation == disktest.Write && s.rng.IntN(2) == 0:
			return syscall.ENOSPC
		case operation != disktest.Reads && s.rng.IntN(n) == 0:
			return errInjected
		}
		return nil
	})
}

// open opens the log; while the disk fails it may have to try again.
func (s *schedule) open() error {
	for try := 0; ; try++ {
		if try == 5 {
			s.fsys.SetFault(nil)
		}
		p, findings, err := commitlog.OpenPartition(settings(s.fsys))
		if err != nil {
			s.note("open: %v", err)
			if try > 5 {
				return err
			}
			continue
		}
		for _, f := range findings {
			s.note("finding: %s", f)
			if f.Lost() > 0 {
				return fmt.Errorf("without damage something is missing: %s", f)
			}
		}
		s.p = p
		return nil
	}
}

// write sends the waiting batches and a new one, like a producer with five batches in flight, and checks the answers.
func (s *schedule) write() error {
	for len(s.waiting) < 1+s.rng.IntN(5) {
		if s.last {
			break
		}
		n := 1 + s.rng.IntN(3)
		value := fmt.Sprintf("value %d %*d", s.sequence, s.rng.IntN(200), 0)
		s.waiting = append(s.waiting, sent{value, batch(value, n, 7, 0, s.sequence, 0)})
		s.sequence += int32(n)
	}
	var tickets []*commitlog.Ticket
	for _, w := range s.waiting {
		tickets = append(tickets, enqueue(s.p, w.raw))
	}
	commit(s.p)
	left := s.waiting[:0:0]
	for i, ticket := range tickets {
		<-ticket.Done()
		switch {
		case ticket.Err == nil && ticket.Offset >= 0:
			s.note("acknowledged %d %q, duplicate %t", ticket.Offset, s.waiting[i].value[:8], ticket.Duplicate)
			s.acknowledged[ticket.Offset] = s.waiting[i].value
		case errors.Is(ticket.Err, commitlog.ErrStorage) || errors.Is(ticket.Err, commitlog.ErrOutOfOrder):
			s.note("failed %q: %v", s.waiting[i].value[:8], ticket.Err)
			left = append(left, s.waiting[i])
		default:
			return fmt.Errorf("answer %v", ticket.Err)
		}
	}
	s.waiting = left
	return nil
}

// verify reads the log: all that was acknowledged, once, and nothing at an offset that had something else.
func (s *schedule) verify() error {
	s.fsys.SetFault(nil)
	got, err := content(s.p)
	if err != nil {
		return err
	}
	for offset, value := range got {
		if before, ok := s.seen[offset]; ok && before != value {
			return fmt.Errorf("offset %d had %q, and has %q", offset, before, value)
		}
		s.seen[offset] = value
	}
	at := map[string]int64{}
	for offset, value := range got {
		if other, ok := at[value]; ok {
			return fmt.Errorf("%q is at %d and at %d", value, other, offset)
		}
		at[value] = offset
	}
	for offset, value := range s.acknowledged {
		if offset >= s.start && got[offset] != value {
			return fmt.Errorf("%q was acknowledged at %d, where %q is", value, offset, got[offset])
		}
	}
	return nil
}

func (s *schedule) step() error {
	switch n := s.rng.IntN(20); {
	case n < 10:
		if s.rng.IntN(3) == 0 {
			s.faults(2 + s.rng.IntN(20))
		} else {
			s.fsys.SetFault(nil)
		}
		return s.write()
	case n < 12:
		at := s.start + int64(s.rng.IntN(10))
		start, err := s.p.Trim(at)
		s.note("trim %d: %d, %v", at, start, err)
		if err != nil { // It may or may not have happened.
			s.start = max(s.start, min(at, end(s.p)))
			return nil
		}
		s.start = max(s.start, start)
	case n < 15:
		return s.verify()
	case n < 18:
		s.p.Abandon()
		if s.rng.IntN(2) == 0 {
			s.note("killed")
			s.fsys = s.fsys.Kill()
		} else {
			s.note("power cut")
			s.fsys = s.fsys.PowerCut()
		}
		if s.rng.IntN(3) == 0 {
			s.faults(5 + s.rng.IntN(20))
		}
		return s.open()
	case n < 19:
		s.note("closed: %v", s.p.Close())
		s.fsys = s.fsys.Kill()
		return s.open()
	}
	return nil
}

// TestWhatIsAcknowledgedIsDelivered runs random lives on a disk that tears, fills up, fails at any write or flush, and forgets.
func TestWhatIsAcknowledgedIsDelivered(t *testing.T) {
	for seed := range uint64(2200) {
		s := &schedule{rng: rand.New(rand.NewPCG(seed, 1)), fsys: newDisk(seed), acknowledged: map[int64]string{}, seen: map[int64]string{}}
		err := s.open()
		for step := 0; step < 30 && err == nil; step++ {
			err = s.step()
		}
		if err == nil {
			err = s.verify()
		}
		s.last = true
		for try := 0; err == nil && len(s.waiting) > 0; try++ { // At last all of it gets there.
			if err = s.write(); try > 3 {
				err = fmt.Errorf("%d batches are never taken", len(s.waiting))
			}
		}
		if err == nil {
			err = s.verify()
		}
		if err != nil {
			for _, line := range s.steps {
				t.Log(line)
			}
		}
		require.NoError(t, err, "seed %d", seed)
	}
}
