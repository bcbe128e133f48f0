// Package keyfile defines the file of API keys: hashes, and the permissions of each key. The extension api_key_auth checks clients with it, and the
// command `penstock keys` writes it.
//
// A key is "penstock_", eight letters and digits that name it, "_", and a secret of 256 random bits. With so many bits a single SHA-256 is as good
// as a slow hash: an attacker can't guess it, and a reader of the file can't compute the key from the hash.
package keyfile

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/quota"
	"github.com/penstockhq/penstock/internal/tenant"
)

const (
	prefix     = "penstock_"
	hashPrefix = "sha256:"
	idLength   = 8
	idBytes    = 5
	keyBytes   = 32
	maxKey     = 256 // bytes of a key that a client sends
)

// The scopes of a key: see access.
const (
	Ingest  = access.Ingest
	Forward = access.Forward
	Read    = access.Read
	Replay  = access.Replay
	Erase   = access.Erase
	Decrypt = access.Decrypt
	Admin   = access.Admin
)

// maxNamed is how many entries are checked once one is wrong.
const maxNamed = 100

var errMore = errors.New("there may be more mistakes after these")

// Scopes are all of them.
var Scopes = access.Scopes

// Signals are the signals to which a key can be limited.
var Signals = []string{"logs", "metrics", "traces"}

// Key is one key in the file.
type Key struct {
	ID   string `yaml:"id"`
	Hash string `yaml:"hash"`
	// Tenant is the tenant of the key's telemetry, and the one whose data it may see. Keys that only forward, and those of operators, need none.
	Tenant string   `yaml:"tenant,omitempty"`
	Scopes []string `yaml:"scopes,flow"`
	// Signals and Services are what it may send; if empty, everything.
	Signals  []string `yaml:"signals,omitempty,flow"`
	Services []string `yaml:"services,omitempty,flow"`
	// Limits are the key's quotas, where they differ from the default for keys; nil if they don't.
	Limits  *quota.Override `yaml:"limits,omitempty,flow"`
	Created time.Time       `yaml:"created,omitempty"`
	Expires *time.Time      `yaml:"expires,omitempty"`
	Note    string          `yaml:"note,omitempty"`

	sum [sha256.Size]byte
}

// Has says whether the key has one of the scopes.
func (k *Key) Has(scopes ...string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(k.Scopes, s) })
}

// File is a file of keys.
type File struct {
	Keys []*Key `yaml:"keys"`
	// Tenants are the quotas of tenants, where they differ from the configuration.
	Tenants []*Tenant `yaml:"tenants,omitempty"`
}

// Tenant is the file's entry of a tenant.
type Tenant struct {
	Tenant string          `yaml:"tenant"`
	Limits *quota.Override `yaml:"limits,flow"`
}

// Parse parses a file, and returns all of its mistakes. An empty file has no keys.
func Parse(content []byte) (*File, error) {
	var f File
	d := yaml.NewDecoder(bytes.NewReader(content))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var errs error
	seen := map[string]bool{}
	for i, k := range f.Keys {
		if i >= maxNamed && errs != nil {
			return nil, errors.Join(errs, errMore) // a message with all mistakes of a large file would be larger than the file
		}
		if k == nil {
			errs = errors.Join(errs, fmt.Errorf("keys[%d] is empty", i))
			continue
		}
		if err := k.check(); err != nil {
			errs = errors.Join(errs, fmt.Errorf("keys[%d] %w", i, err))
		}
		if seen[k.ID] {
			errs = errors.Join(errs, fmt.Errorf("keys[%d] id: %q is used twice", i, k.ID))
		}
		seen[k.ID] = true
	}
	return &f, errors.Join(errs, f.checkTenants())
}

func (f *File) checkTenants() error {
	var errs error
	seen := map[string]bool{}
	for i, t := range f.Tenants {
		if i >= maxNamed && errs != nil {
			return errors.Join(errs, errMore)
		}
		bad := func(format string, args ...any) {
			errs = errors.Join(errs, fmt.Errorf("tenants[%d] "+format, append([]any{i}, args...)...))
		}
		if t == nil {
			bad("is empty")
			continue
		}
		if err := tenant.Check(t.Tenant); err != nil {
			bad("tenant: %w", err)
		}
		if seen[t.Tenant] {
			bad("tenant: %q is used twice", t.Tenant)
		}
		seen[t.Tenant] = true
		if t.Limits.Empty() {
			bad("limits: at least one must be set")
		}
		if err := t.Limits.Check(); err != nil {
			bad("limits: %w", err)
		}
	}
	return errs
}

func (k *Key) check() error {
	var errs error
	bad := func(format string, args ...any) { errs = errors.Join(errs, fmt.Errorf(format, args...)) }
	if !isID(k.ID) {
		bad("id: %q is not %d of a-z and 2-7", k.ID, idLength)
	}
	sum, err := hex.DecodeString(strings.TrimPrefix(k.Hash, hashPrefix))
	if err != nil || len(sum) != len(k.sum) || !strings.HasPrefix(k.Hash, hashPrefix) {
		bad("hash: it is not %s and %d hexadecimal digits: `penstock keys new` writes it", hashPrefix, 2*sha256.Size)
	}
	copy(k.sum[:], sum)
	if k.Tenant != "" || k.NeedsTenant() {
		if err := tenant.Check(k.Tenant); err != nil {
			bad("tenant: %w", err)
		} else if strings.TrimSpace(k.Tenant) != k.Tenant {
			bad("tenant: %q begins or ends with a space, which a header can't", k.Tenant)
		}
	}
	if len(k.Scopes) == 0 {
		bad("scopes: at least one is needed; the scopes are %s", strings.Join(Scopes, ", "))
	}
	for _, s := range k.Scopes {
		if !slices.Contains(Scopes, s) {
			bad("scopes: %q is not one of %s", s, strings.Join(Scopes, ", "))
		}
	}
	for _, s := range k.Signals {
		if !slices.Contains(Signals, s) {
			bad("signals: %q is not one of %s", s, strings.Join(Signals, ", "))
		}
	}
	if slices.Contains(k.Services, "") {
		bad("services: one is empty")
	}
	if err := k.Limits.Check(); err != nil {
		bad("limits: %w", err)
	}
	if k.Limits != nil && k.Limits.Streams != nil {
		bad("limits: streams: only tenants can have this limit: write it below tenants")
	}
	if k.Limits != nil && k.Limits.Series != nil && k.Tenant == "" {
		bad("limits: series: only tenants can have this limit, and the key has no tenant")
	}
	return errs
}

// NeedsTenant says whether the key, without a tenant, could neither send nor see anything.
func (k *Key) NeedsTenant() bool {
	return len(k.Scopes) == 0 || k.Has(Ingest) && !k.Has(Forward) || k.Has(Read, Replay, Erase, Decrypt) && !k.Has(Admin)
}

func isID(s string) bool {
	return len(s) == idLength && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') })
}

// Bytes are the file as YAML.
func (f *File) Bytes() ([]byte, error) { return yaml.Marshal(f) }

// Add creates a secret for k, appends k, and returns the key, which is stored nowhere else.
func (f *File) Add(k *Key) (string, error) {
	for k.ID == "" || f.Find(k.ID) != nil {
		var id [idBytes]byte
		_, _ = rand.Read(id[:]) // rand.Read never fails
		k.ID = strings.ToLower(base32.StdEncoding.EncodeToString(id[:]))
	}
	var secret [keyBytes]byte
	_, _ = rand.Read(secret[:]) // rand.Read never fails
	key := prefix + k.ID + "_" + hex.EncodeToString(secret[:])
	k.sum = sha256.Sum256([]byte(key))
	k.Hash = hashPrefix + hex.EncodeToString(k.sum[:])
	if err := k.check(); err != nil {
		return "", err
	}
	f.Keys = append(f.Keys, k)
	return key, nil
}

// Find returns the key of that id, or nil.
func (f *File) Find(id string) *Key {
	for _, k := range f.Keys {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// Set is a file's keys, for many concurrent clients. It is immutable.
type Set struct {
	byID    map[string]*Key
	tenants map[string]*quota.Override
	limits  func(string) *quota.Override // TenantLimits: allocated once, not per request
	series  *quota.Series
}

// Set returns the keys of a file in which Parse found no mistakes.
func (f *File) Set() *Set {
	s := &Set{byID: make(map[string]*Key, len(f.Keys)), tenants: make(map[string]*quota.Override, len(f.Tenants))}
	s.limits = s.TenantLimits
	for _, t := range f.Tenants {
		s.tenants[t.Tenant] = t.Limits
	}
	for _, k := range f.Keys {
		s.byID[k.ID] = k
	}
	s.series = f.series()
	return s
}

// series are the budgets of tenants. A series belongs to no key, so a key's number is its tenant's budget, the smallest of all its keys; an entry
// under tenants takes precedence.
func (f *File) series() *quota.Series {
	all := map[string]int64{}
	for _, k := range f.Keys {
		if k.Limits != nil && k.Limits.Series != nil {
			all[k.Tenant] = quota.Smaller(all[k.Tenant], *k.Limits.Series)
		}
	}
	for _, t := range f.Tenants {
		if t.Limits.Series != nil {
			all[t.Tenant] = *t.Limits.Series
		}
	}
	return &quota.Series{Tenants: all}
}

// Series are the budgets of series of tenants; nil: the set is the zero value.
func (s *Set) Series() *quota.Series { return s.series }

// Len is the number of keys.
func (s *Set) Len() int { return len(s.byID) }

// TenantLimits are the quotas of a tenant; nil: the file has none.
func (s *Set) TenantLimits(tenant string) *quota.Override { return s.tenants[tenant] }

// Limits returns TenantLimits; nil for the zero value, which limits no tenant.
func (s *Set) Limits() func(tenant string) *quota.Override { return s.limits }

// Errors of Check. Their texts are for clients: none reveals which part of a key is right.
var (
	ErrUnknown = errors.New("the API key is not valid here: it was revoked, or mistyped")
	ErrExpired = errors.New("the API key has expired")
)

// Check returns the key that a client sent. The time of the comparison does not depend on which part is right.
func (s *Set) Check(given string, now time.Time) (*Key, error) {
	if len(given) > maxKey {
		return nil, ErrUnknown
	}
	sum := sha256.Sum256([]byte(given))
	id, _, _ := strings.Cut(strings.TrimPrefix(given, prefix), "_")
	k, ok := s.byID[id]
	if !ok {
		k = &Key{} // its hash is that of no key
	}
	if subtle.ConstantTimeCompare(sum[:], k.sum[:]) != 1 || !ok {
		return nil, ErrUnknown
	}
	if k.Expires != nil && !now.Before(*k.Expires) {
		return nil, ErrExpired
	}
	return k, nil
}
