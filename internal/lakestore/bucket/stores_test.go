package bucket_test

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/storetest"
)

// stores runs a test on a disk and on an object store.
func stores(t *testing.T, run func(t *testing.T, s lakestore.Store)) {
	t.Run("disk", func(t *testing.T) {
		d, _, err := lakestore.Open(t.TempDir())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		run(t, d)
	})
	t.Run("object store", func(t *testing.T) { run(t, open(t, storetest.New(t).Location(""), keys)) })
}

func paths(t *testing.T, s lakestore.Store, dir string) (all []string) {
	t.Helper()
	require.NoError(t, s.List(t.Context(), dir, func(f lakestore.File) error {
		assert.NotZero(t, f.Modified)
		all = append(all, f.Path)
		return nil
	}))
	return all
}

func TestStoresAreAlike(t *testing.T) {
	stores(t, func(t *testing.T, s lakestore.Store) {
		ctx := t.Context()
		assert.Empty(t, paths(t, s, "logs"))
		for _, dir := range []string{"logs/b", "logs/a", "logs/c", "_x"} {
			_, err := s.Write(ctx, dir, "f", content([]byte("of "+dir)))
			require.NoError(t, err)
		}
		assert.Equal(t, []string{"logs/a/f.parquet", "logs/b/f.parquet", "logs/c/f.parquet"}, paths(t, s, "logs"), "in order, over all pages")
		ended := 0
		require.ErrorIs(t, s.List(ctx, "logs", func(lakestore.File) error { ended++; return io.EOF }), io.EOF)
		assert.Equal(t, 1, ended)

		r, err := s.Open(ctx, "logs/a/f.parquet")
		require.NoError(t, err)
		_, err = s.Write(ctx, "logs/a", "f", content([]byte("replaced")))
		require.NoError(t, err)
		got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		require.NoError(t, err)
		assert.Equal(t, "of logs/a", string(got), "what was opened stays")
		require.NoError(t, r.Close())
		_, err = s.Open(ctx, "logs/none.parquet")
		require.ErrorIs(t, err, fs.ErrNotExist)
		tail, err := s.Tail(ctx, "logs/b/f.parquet", 6)
		require.NoError(t, err)
		assert.Equal(t, "logs/b", string(tail))
		tail, err = s.Tail(ctx, "logs/b/f.parquet", 100)
		require.NoError(t, err)
		assert.Equal(t, "of logs/b", string(tail))
		_, err = s.Tail(ctx, "logs/none.parquet", 6)
		require.ErrorIs(t, err, fs.ErrNotExist)

		require.NoError(t, s.Move(ctx, "_x/f.parquet", "logs/a/f.parquet"))
		require.NoError(t, s.Move(ctx, "_x/f.parquet", "logs/a/f.parquet"), "again")
		require.ErrorIs(t, s.Move(ctx, "_x/f.parquet", "logs/a/other.parquet"), fs.ErrNotExist)
		assert.Empty(t, paths(t, s, "_x"))
		require.NoError(t, s.Remove(ctx, "logs/a/f.parquet"))
		require.NoError(t, s.Remove(ctx, "logs/a/f.parquet"), "again")
		require.NoError(t, s.Put(ctx, "_y/d.json", []byte("1")))
		require.NoError(t, s.Put(ctx, "_y/d.json", []byte("2")))
		all, err := s.Documents(ctx, "_y")
		require.NoError(t, err)
		assert.Equal(t, map[string][]byte{"d.json": []byte("2")}, all)
	})
}

// The last bytes of an object that is shorter: some stores refuse.
func TestTheTailOfAShortObject(t *testing.T) {
	f := storetest.New(t)
	f.Fault = func(_ *storetest.Store, w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.Header.Get("Range") == "" {
			return false
		}
		storetest.Refuse(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
		return true
	}
	b := open(t, f.Location(""), keys)
	require.NoError(t, b.Put(t.Context(), "logs/short", []byte("short")))
	tail, err := b.Tail(t.Context(), "logs/short", 100)
	require.NoError(t, err)
	assert.Equal(t, "short", string(tail))
}

// Of many that make a file of one name, one does, and knows it.
func TestOneOfManyCreates(t *testing.T) {
	stores(t, func(t *testing.T, s lakestore.Store) {
		var wg sync.WaitGroup
		won := make([]bool, 8)
		for i := range won {
			wg.Go(func() {
				made, err := s.Create(context.Background(), "_c/1.json", []byte{byte('a' + i)})
				assert.NoError(t, err)
				won[i] = made
			})
		}
		wg.Wait()
		all, err := s.Documents(t.Context(), "_c")
		require.NoError(t, err)
		for i, w := range won {
			assert.Equal(t, string(all["1.json"]) == string(rune('a'+i)), w)
		}
	})
}

// A put whose answer is lost is repeated, and finds its own object.
func TestACreateWhoseAnswerIsLost(t *testing.T) {
	f := storetest.New(t)
	f.Fault = func(f *storetest.Store, w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || f.Count("put") > 0 {
			return false
		}
		f.Serve(w, r)
		panic(http.ErrAbortHandler)
	}
	b := open(t, f.Location(""), keys)
	made, err := b.Create(t.Context(), "_c/1.json", []byte("mine"))
	require.NoError(t, err)
	assert.True(t, made)
	made, err = b.Create(t.Context(), "_c/1.json", []byte("other"))
	require.NoError(t, err)
	assert.False(t, made)
}

// Some stores refuse a condition that they do not know.
func TestAStoreWithoutConditionalWritesSaysSo(t *testing.T) {
	for status, code := range map[int]string{http.StatusNotImplemented: "NotImplemented", http.StatusBadRequest: "InvalidArgument"} {
		f := storetest.New(t)
		f.Fault = func(_ *storetest.Store, w http.ResponseWriter, r *http.Request) bool {
			conditional := r.Header.Get("If-None-Match") != ""
			if conditional {
				storetest.Refuse(w, status, code)
			}
			return conditional
		}
		b := open(t, f.Location(""), keys)
		_, err := b.Create(t.Context(), "_c/1.json", []byte("x"))
		require.ErrorIs(t, err, lakestore.ErrNoCreate)
		require.NoError(t, b.Put(t.Context(), "_c/1.json", []byte("x")))
	}
}
