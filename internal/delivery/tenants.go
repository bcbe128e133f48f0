package delivery

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/penstockhq/penstock/internal/tenant"
)

// tenantsID names, among the states of a checkpoint, when the states of tenants began.
const tenantsID = "penstock/tenants"

// maxTenants bounds the tenants whose beginning a partition knows: 16 bytes of its checkpoint each, 256 KiB, and about 50 of memory. Further
// ones count as there from the beginning.
const maxTenants = 1 << 14

// tenants is when the state of each tenant began. A sender that moves from one tenant to another (API keys are switched on, and what was default
// is acme's) goes on with its cumulative streams, whose values the tenant before has: they are baselines of the new one. Which tenant a
// stream was of, no partition can know, for another tenant's records lie in another partition; but a stream that began before its tenant's
// first record can have been another's.
type tenants struct {
	mu     sync.Mutex
	always bool              // all tenants began with the partition
	first  map[uint64]uint64 // time of the first record, in Unix ns, by the hash of the name; guarded by mu
}

var errTenants = errors.New("the record of tenants' beginnings is damaged")

// BeganFor returns when the partition's state of a tenant began: for the default tenant with the partition, for another one with its first
// record. named: an authenticator names tenants in this process, so that no sender of a partition whose state begins now comes from the default
// tenant, and all tenants begin with it.
func (s *Session) BeganFor(name string, named bool) time.Time {
	if name == tenant.Default {
		return s.began
	}
	t := &s.tenants
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == nil {
		t.first = map[uint64]uint64{}
		_, job := s.source.Job()
		t.always = named && !s.resumed && !job
	}
	if t.always {
		return s.began
	}
	hash := xxhash.Sum64String(name)
	first, known := t.first[hash]
	if !known {
		if len(t.first) >= maxTenants {
			return s.began
		}
		first = uint64(s.Now().UnixNano())
		t.first[hash] = first
	}
	if began := time.Unix(0, int64(first)); began.After(s.began) {
		return began
	}
	return s.began
}

// restoreTenants takes the beginnings of tenants out of a checkpoint.
func (s *Session) restoreTenants() error {
	data, ok := s.restored[tenantsID]
	if !ok {
		return nil
	}
	delete(s.restored, tenantsID)
	if err := s.tenants.decode(data); err != nil {
		return s.refused(tenantsID, fmt.Errorf("%w: %w", ErrState, err))
	}
	return nil
}

// append writes: always uint8; then hash and time of each tenant, uint64 little endian, sorted by hash. Nothing, before a tenant came.
func (t *tenants) append(b []byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == nil {
		return b
	}
	b = append(b, 0)
	if t.always {
		b[len(b)-1] = 1
	}
	hashes := make([]uint64, 0, len(t.first))
	for hash := range t.first {
		hashes = append(hashes, hash)
	}
	slices.Sort(hashes)
	for _, hash := range hashes {
		b = binary.LittleEndian.AppendUint64(b, hash)
		b = binary.LittleEndian.AppendUint64(b, t.first[hash])
	}
	return b
}

func (t *tenants) decode(b []byte) error {
	if len(b)%16 != 1 || len(b)/16 > maxTenants || b[0] > 1 {
		return errTenants
	}
	t.always, t.first = b[0] == 1, map[uint64]uint64{}
	for rest := b[1:]; len(rest) > 0; rest = rest[16:] {
		t.first[binary.LittleEndian.Uint64(rest)] = binary.LittleEndian.Uint64(rest[8:])
	}
	return nil
}
