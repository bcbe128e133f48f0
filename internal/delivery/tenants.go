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

// tenantsID is the id, among the states of a checkpoint, of the times when the states of tenants began.
const tenantsID = "penstock/tenants"

// maxTenants bounds the tenants whose beginning a partition knows: each takes 16 bytes of the checkpoint (256 KiB in total) and about 50
// of memory. Further tenants count as present from the beginning.
const maxTenants = 1 << 14

// tenants holds when the state of each tenant began. A sender that moves from one tenant to another (API keys are switched on, and data of
// the default tenant becomes acme's) continues its cumulative streams, whose values the former tenant has: they are baselines of the new
// one. No partition can know the former tenant of a stream, because another tenant's records are in another partition. But a stream that
// began before its tenant's first record may have belonged to another tenant.
type tenants struct {
	mu     sync.Mutex
	always bool              // all tenants began with the partition
	first  map[uint64]uint64 // time of the first record, in Unix ns, by the hash of the name; guarded by mu
}

var errTenants = errors.New("the record of tenants' beginnings is damaged")

// BeganFor returns when the partition's state of a tenant began: for the default tenant with the partition, for another one with its first
// record. named: an authenticator names the tenants in this process, so in a partition whose state begins now no sender comes from the
// default tenant, and all tenants begin with the partition.
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

// restoreTenants reads the beginnings of tenants from a checkpoint.
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

// append writes: always uint8; then hash and time of each tenant, uint64 little endian, sorted by hash. It writes nothing before the first
// tenant.
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
