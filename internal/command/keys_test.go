package command_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/keyfile"
	"github.com/penstockhq/penstock/internal/quota"
)

// The key is the last word that new prints, admits to its scopes until it is revoked, and is not in the file.
func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.yaml")
	out, err := call(t, "keys", "new", "--file", file, "--tenant", "acme", "--scope", "ingest,read", "--signal", "logs", "--service", "shop", "--expires", "90d", "--note", "for the shop",
		"--bytes-per-second", "20000", "--burst", "10s")
	require.NoError(t, err, out)
	words := strings.Fields(out)
	key := words[len(words)-1]
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.NotContains(t, string(content), key)
	assert.NotContains(t, string(content), key[strings.LastIndexByte(key, '_')+1:])
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Zero(t, info.Mode().Perm()&0o077, "it is the owner's alone")

	f, err := keyfile.Parse(content)
	require.NoError(t, err)
	k, err := f.Set().Check(key, time.Now())
	require.NoError(t, err)
	assert.Equal(t, []string{"acme", "for the shop", "shop", "logs"}, []string{k.Tenant, k.Note, k.Services[0], k.Signals[0]})
	assert.Equal(t, quota.Limits{BytesPerSecond: 20_000, Burst: 10 * time.Second, ItemsPerSecond: 5}, k.Limits.Apply(quota.Limits{ItemsPerSecond: 5}))
	_, err = f.Set().Check(key, time.Now().Add(91*24*time.Hour))
	assert.ErrorIs(t, err, keyfile.ErrExpired)

	out, err = call(t, "keys", "list", "--file", file)
	require.NoError(t, err)
	assert.Regexp(t, k.ID+`\s+acme\s+ingest,read\s+logs\s+shop\s+bytes_per_second=20000,burst=10s\s+20..-..-..\s+20..-..-..T\S+\s+for the shop`, out)
	assert.NotContains(t, out, key)

	_, err = call(t, "keys", "revoke", "--file", file, k.ID, "nosuchid")
	assert.ErrorContains(t, err, `no key "nosuchid": nothing was changed`)
	out, err = call(t, "keys", "revoke", "--file", file, k.ID)
	require.NoError(t, err, out)
	out, err = call(t, "keys", "list", "--file", file)
	require.NoError(t, err)
	assert.NotContains(t, out, k.ID)
}

func TestKeysThatCanNotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.yaml")
	t.Setenv("PENSTOCK_KEYS_FILE", "")
	for want, args := range map[string][]string{
		"no file is given: name it with --file or PENSTOCK_KEYS_FILE": {"new", "--tenant", "a"},
		"no tenant is given: name it with --tenant":                   {"new", "--file", file},
		"tenant: ":                               {"new", "--file", file, "--tenant", "a/b"},
		`scopes: "write" is not one of`:          {"new", "--file", file, "--tenant", "a", "--scope", "write"},
		`signals: "log" is not one of`:           {"new", "--file", file, "--tenant", "a", "--signal", "log"},
		"limits: bytes_per_second: -5":           {"new", "--file", file, "--tenant", "a", "--bytes-per-second", "-5"},
		`--expires: "soon" is neither`:           {"new", "--file", file, "--tenant", "a", "--expires", "soon"},
		`--expires: "2020-01-01" is in the past`: {"new", "--file", file, "--tenant", "a", "--expires", "2020-01-01"},
		"no such file":                           {"list", "--file", file},
		"requires at least 1 arg":                {"revoke", "--file", file},
		"penstock keys revoke --help":            {"revoke", "--file", file},
	} {
		_, err := call(t, append([]string{"keys"}, args...)...)
		assert.ErrorContains(t, err, want, args)
	}
	assert.NoFileExists(t, file)
	require.NoError(t, os.WriteFile(file, []byte("keys: [{id: x}]"), 0o600))
	_, err := call(t, "keys", "new", "--file", file, "--tenant", "a")
	assert.ErrorContains(t, err, `keys[0] id: "x"`, "a file with mistakes is not written over")
}

// Two that make keys at once both find theirs in the file.
func TestKeysAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.yaml")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := call(t, "keys", "new", "--file", file, "--tenant", "acme")
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	f, err := keyfile.Parse(content)
	require.NoError(t, err)
	assert.Len(t, f.Keys, 8)
}
