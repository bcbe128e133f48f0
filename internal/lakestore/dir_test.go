package lakestore_test

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lakestore"
)

func open(t *testing.T, root string) *lakestore.Dir {
	t.Helper()
	d, _, err := lakestore.Open(root)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func content(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func ls(t *testing.T, root, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, pattern))
	require.NoError(t, err)
	return names
}

func TestNameFollowsFromContent(t *testing.T) {
	root := filepath.Join(t.TempDir(), "new", "lake")
	d := open(t, root)
	first, err := d.Write(t.Context(), "a/b", "", content("x"))
	require.NoError(t, err)
	again, err := d.Write(t.Context(), "a/b", "", content("x"))
	require.NoError(t, err)
	other, err := d.Write(t.Context(), "a/b", "", content("y"))
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.NotEqual(t, first.Path, other.Path)
	require.Len(t, ls(t, root, "a/b/*.parquet"), 2)
	got, err := os.ReadFile(filepath.Join(root, first.Path))
	require.NoError(t, err)
	require.Equal(t, "x", string(got))
	require.Equal(t, int64(1), first.Bytes)
}

func TestGivenNameIsReplaced(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	for _, s := range []string{"old", "new"} {
		_, err := d.Write(t.Context(), "a", "7-100-200", content(s))
		require.NoError(t, err)
	}
	got, err := os.ReadFile(filepath.Join(root, "a", "7-100-200.parquet"))
	require.NoError(t, err)
	require.Equal(t, "new", string(got))
}

func TestFailedFillLeavesNothing(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	boom := errors.New("boom")
	_, err := d.Write(t.Context(), "a", "", func(w io.Writer) error {
		_, err := io.WriteString(w, "half")
		require.NoError(t, err)
		return boom
	})
	require.ErrorIs(t, err, boom)
	var ioErr *lakestore.IOError
	require.False(t, errors.As(err, &ioErr), "not the storage's fault")
	require.Empty(t, ls(t, root, "a/*"))
	require.Empty(t, ls(t, root, "_tmp/*/*"))
}

func TestRemovedDirectoryIsMadeAgain(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	_, err := d.Write(t.Context(), "a/b", "", content("x"))
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(root, "a"))) // as retention does
	_, err = d.Write(t.Context(), "a/b", "", content("y"))
	var ioErr *lakestore.IOError
	require.ErrorAs(t, err, &ioErr)
	_, err = d.Write(t.Context(), "a/b", "", content("y"))
	require.NoError(t, err)
}

// child writes half a file and waits to be killed.
const childEnv = "LAKE_TEST_CHILD"

func TestMain(m *testing.M) {
	if root := os.Getenv(childEnv); root != "" {
		d, _, err := lakestore.Open(root)
		if err != nil {
			panic(err)
		}
		_, _ = d.Write(context.Background(), "a", "", func(w io.Writer) error {
			_, _ = w.Write(make([]byte, 1<<20))
			_, _ = os.Stdout.WriteString("half\n")
			select {}
		})
	}
	os.Exit(m.Run())
}

func TestUnfinishedFilesOfADeadProcessAreRemovedAndThoseOfALiveOneStay(t *testing.T) {
	root := t.TempDir()
	live := open(t, root)
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this test itself
	cmd.Env = append(os.Environ(), childEnv+"="+root)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(out, make([]byte, 5))
	require.NoError(t, err)

	_, removed, err := lakestore.Open(root)
	require.NoError(t, err)
	require.Zero(t, removed, "the child is alive")
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	third, removed, err := lakestore.Open(root)
	require.NoError(t, err)
	require.Equal(t, 1, removed)
	require.NoError(t, third.Close())
	require.Empty(t, ls(t, root, "a"))

	_, err = live.Write(t.Context(), "a", "", content("x"))
	require.NoError(t, err, "a live writer keeps its directory")
}

// DuckDB, pyarrow and Polars decode the names of directories, and refuse a whole lake for one that is no text then.
func TestATruncatedTenantIsText(t *testing.T) {
	for _, name := range []string{strings.Repeat("é", 75), strings.Repeat("日", 50), strings.Repeat("😀", 37), "a" + strings.Repeat("日", 49), strings.Repeat(" ", 150), "ab" + strings.Repeat("#", 148)} {
		encoded := lakestore.EncodeTenant(name)
		decoded, err := url.PathUnescape(encoded)
		require.NoError(t, err, name)
		require.True(t, utf8.ValidString(decoded), encoded)
		require.LessOrEqual(t, len(encoded), 180)
		begin, _, cut := strings.Cut(decoded, "~")
		require.True(t, cut)
		require.True(t, strings.HasPrefix(name, begin), decoded)
		require.GreaterOrEqual(t, len(begin), 40, decoded)
	}
}

func FuzzEncodeTenant(f *testing.F) {
	for _, s := range []string{"default", "..", "a/b", "", "%2E", "é", strings.Repeat("x", 300)} {
		f.Add(s, "acme")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		ea, eb := lakestore.EncodeTenant(a), lakestore.EncodeTenant(b)
		if (a == b) != (ea == eb) {
			t.Fatalf("%q and %q: %q and %q", a, b, ea, eb)
		}
		dir := lakestore.PartitionDir("logs", time.Unix(0, 0), a)
		if filepath.Clean(dir) != dir || strings.Count(dir, "/") != 3 || len(filepath.Base(dir)) > 255 || strings.ContainsAny(dir, "\x00\n ") {
			t.Fatalf("%q makes %q", a, dir)
		}
	})
}
