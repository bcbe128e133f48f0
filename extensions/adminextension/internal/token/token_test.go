package token_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/adminextension/internal/token"
)

func TestOpenMakesATokenOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "deeper", "admin-token")
	first, made, err := token.Open(path)
	require.NoError(t, err)
	assert.True(t, made)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	text := strings.TrimSpace(string(content))
	assert.Regexp(t, "^[0-9a-f]{64}$", text)
	assert.True(t, first.Allows(text))
	for _, wrong := range []string{"", text[1:], text + "0", strings.ToUpper(text), " " + text} {
		assert.False(t, first.Allows(wrong), wrong)
	}
	assert.False(t, token.Token{}.Allows(""), "no token allows nothing")

	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	assert.False(t, token.Readable(path))
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o700), info.Mode().Perm(), dir)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, left, 1, "nothing is left of how it was made")

	again, made, err := token.Open(path)
	require.NoError(t, err)
	assert.False(t, made)
	assert.Equal(t, first, again)
	require.NoError(t, os.Chmod(path, 0o644))
	assert.True(t, token.Readable(path))
}

func TestOpenTakesATokenOfSomebodyElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	secret := strings.Repeat("s", 32)
	require.NoError(t, os.WriteFile(path, []byte(secret+"\n"), 0o600))
	got, made, err := token.Open(path)
	require.NoError(t, err)
	assert.False(t, made)
	assert.True(t, got.Allows(secret))
}

func TestOpenRefusesWhatIsNoToken(t *testing.T) {
	for content, want := range map[string]string{
		"\n":                           "has 0 characters, but a token has 32",
		"password":                     "has 8 characters",
		strings.Repeat("a", 32) + " b": "is not one line of printable ASCII",
		strings.Repeat("a\n", 32):      "is not one line of printable ASCII",
		strings.Repeat("a", 5000):      "is longer than 4096 bytes",
	} {
		path := filepath.Join(t.TempDir(), "token")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, _, err := token.Open(path)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, path)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, content, string(after), "it stays as it is")
	}
}

// A power cut can leave an empty or zeroed file. It is set aside, and its former token is no longer valid.
func TestADamagedFileMakesAnotherToken(t *testing.T) {
	for _, content := range []string{"", strings.Repeat("\x00", 65), strings.Repeat("a", 31) + "\x00a"} {
		path := filepath.Join(t.TempDir(), "token")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		got, made, err := token.Open(path)
		require.NoError(t, err)
		assert.True(t, made)
		assert.False(t, got.Allows(strings.TrimSpace(content)))
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.True(t, got.Allows(strings.TrimSpace(string(after))))
		aside, err := filepath.Glob(path + ".damaged-*")
		require.NoError(t, err)
		require.Len(t, aside, 1)
		kept, err := os.ReadFile(aside[0])
		require.NoError(t, err)
		assert.Equal(t, content, string(kept))
	}
}

func TestProcessesThatStartTogetherShareOneToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	var all sync.WaitGroup
	tokens, makers := make([]token.Token, 16), make([]bool, 16)
	for i := range tokens {
		all.Go(func() {
			var err error
			tokens[i], makers[i], err = token.Open(path)
			assert.NoError(t, err)
		})
	}
	all.Wait()
	made := 0
	for i := range tokens {
		assert.Equal(t, tokens[0], tokens[i])
		if makers[i] {
			made++
		}
	}
	assert.Equal(t, 1, made)
}

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	secret, made, err := token.Open(filepath.Join(dir, "admin-token"))
	fmt.Println(made, err, secret.Allows("a guess"))
	// Output: true <nil> false
}
