package boltfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/penstockhq/penstock/internal/boltfile"
)

var bucket = []byte("default")

// Whatever bbolt writes passes, at every size of keys and values, after deletions and after compaction.
func TestWhatBboltWritesPasses(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 0))
		path := filepath.Join(t.TempDir(), "db")
		kept := map[string]int{}
		db := open(t, path, seed%3 != 0)
		for range 30 {
			require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
				b, err := tx.CreateBucketIfNotExists(bucket)
				require.NoError(t, err)
				for range 1 + rng.IntN(60) {
					key := fmt.Sprint(rng.IntN(2000))
					if rng.IntN(3) == 0 {
						delete(kept, key)
						require.NoError(t, b.Delete([]byte(key)))
						continue
					}
					kept[key] = rng.IntN(1 << rng.IntN(16))
					require.NoError(t, b.Put([]byte(key), make([]byte, kept[key])))
				}
				return nil
			}))
		}
		require.NoError(t, db.Close())

		size := int64(0)
		found := map[string]bool{}
		report, err := boltfile.CheckFile(path, "default", func(key []byte, value func() ([]byte, error)) error {
			found[string(key)] = true
			b, err := value()
			assert.Equal(t, make([]byte, kept[string(key)]), b)
			return err
		})
		require.NoError(t, err)
		for key, value := range kept {
			size += int64(len(key) + value)
			require.True(t, found[key], "key %s is there", key)
		}
		assert.EqualValues(t, len(kept), report.Values)
		assert.Equal(t, size, report.Bytes)
		assert.False(t, report.OneRoot)
	}
}

// A file that bbolt has just made, and one whose bucket is empty.
func TestNewFilesPass(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path, true)
	require.NoError(t, db.Close())
	report, err := boltfile.CheckFile(path, "default", nil)
	require.NoError(t, err)
	assert.Zero(t, report.Values)
}

func TestDamage(t *testing.T) {
	whole := sample(t, 300)
	const pageSize = 4096
	for _, tt := range []struct {
		name   string
		damage func(b []byte) []byte
		kind   boltfile.Kind
	}{
		{"empty", func([]byte) []byte { return nil }, boltfile.Empty},
		{"one byte", func(b []byte) []byte { return b[:1] }, boltfile.Zeroed},
		{"zeroed", func(b []byte) []byte { clear(b); return b }, boltfile.Zeroed},
		{"half of it", func(b []byte) []byte { return b[:len(b)/2] }, boltfile.Truncated},
		{"one page of it", func(b []byte) []byte { return b[:pageSize] }, boltfile.Truncated},
		{"both roots", func(b []byte) []byte { b[20] ^= 1; b[pageSize+40] ^= 1; return b }, boltfile.Root},
		{"text", func([]byte) []byte { return []byte(`{"a": "json file"}`) }, boltfile.Root},
		{"all pages behind the roots are zero", func(b []byte) []byte { clear(b[2*pageSize:]); return b }, boltfile.Page},
		{"the name of the bucket", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("default"), []byte("defaulu")) }, boltfile.Page},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.damage(bytes.Clone(whole))
			_, err := boltfile.Check(bytes.NewReader(b), int64(len(b)), "default", nil)
			var damage *boltfile.Damage
			require.ErrorAs(t, err, &damage)
			assert.Equal(t, tt.kind, damage.Kind, damage.Text)
		})
	}
}

// An incomplete write of a root page: bbolt continues from the other one, and the report says so.
func TestOneRootIsEnough(t *testing.T) {
	for _, at := range []int{20, 4096 + 20} {
		b := sample(t, 300)
		b[at] ^= 1
		report, err := boltfile.Check(bytes.NewReader(b), int64(len(b)), "default", nil)
		require.NoError(t, err)
		assert.True(t, report.OneRoot)
	}
}

// The purpose of the package: bbolt reads every file that passes without a panic or a memory fault, wherever bits are flipped, zeros
// written or the end cut off.
func TestBboltReadsWhatPasses(t *testing.T) {
	whole := map[int][]byte{5: sample(t, 5), 300: sample(t, 300), 3000: sample(t, 3000)}
	refused, passed := 0, 0
	for seed := range uint64(600) {
		rng := rand.New(rand.NewPCG(seed, 1))
		b := bytes.Clone(whole[[]int{5, 300, 3000}[seed%3]])
		switch rng.IntN(4) {
		case 0:
			b = b[:rng.IntN(len(b))]
		case 1:
			at := rng.IntN(len(b))
			clear(b[at:min(len(b), at+1<<rng.IntN(14))])
		default: // near the head of a page, where bbolt's own numbers are
			for range 1 + rng.IntN(4) {
				b[(rng.IntN(len(b)/4096)*4096+rng.IntN(1<<(4+rng.IntN(9))))%len(b)] ^= 1 << rng.IntN(8)
			}
		}
		_, err := boltfile.Check(bytes.NewReader(b), int64(len(b)), "default", nil)
		if err != nil {
			var damage *boltfile.Damage
			require.ErrorAs(t, err, &damage, "seed %d", seed)
			refused++
			continue
		}
		passed++
		path := filepath.Join(t.TempDir(), "db")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		require.NoError(t, readAll(path), "seed %d", seed)
	}
	assert.Greater(t, refused, 50)
	assert.Greater(t, passed, 50)
}

// readAll opens the file with bbolt and reads and changes all of it. It returns panics and memory faults as errors.
func readAll(path string) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, NoSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		if err != nil {
			return err
		}
		var keys [][]byte
		err = b.ForEach(func(k, v []byte) error {
			keys = append(keys, bytes.Clone(k))
			_ = bytes.Clone(v) // a fault, where it lies outside the file
			return nil
		})
		for i, k := range keys {
			if i%2 == 0 {
				err = errors.Join(err, b.Delete(k))
			}
		}
		return err
	})
	return errors.Join(err, db.Close())
}

// sample is a database with n values of different sizes, some deleted.
func sample(t *testing.T, n int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path, true)
	for round := range 3 {
		require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucket)
			require.NoError(t, err)
			for i := range n {
				require.NoError(t, b.Put(fmt.Append(nil, i), bytes.Repeat([]byte{byte(i)}, i*37%700)))
				if (i+round)%5 == 0 {
					require.NoError(t, b.Delete(fmt.Append(nil, i)))
				}
			}
			return b.Put([]byte("large"), make([]byte, 20_000))
		}))
	}
	require.NoError(t, db.Close())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

func open(t *testing.T, path string, noFreelist bool) *bbolt.DB {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: noFreelist, NoSync: true, FreelistType: bbolt.FreelistMapType, PageSize: 4096})
	require.NoError(t, err)
	return db
}
