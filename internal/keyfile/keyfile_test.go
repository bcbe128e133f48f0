package keyfile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/keyfile"
	"github.com/penstockhq/penstock/internal/quota"
)

var now = time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)

func Example() {
	var f keyfile.File
	key, _ := f.Add(&keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}})
	k, err := f.Set().Check(key, time.Now())
	fmt.Println(k.Tenant, err)
	// Output: acme <nil>
}

// A file that was written is the file that is read, and holds no key.
func TestRoundTrip(t *testing.T) {
	var f keyfile.File
	end := now.Add(time.Hour)
	key, err := f.Add(&keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest, keyfile.Read}, Signals: []string{"logs"}, Services: []string{"shop"}, Created: now, Expires: &end, Note: "for the shop"})
	require.NoError(t, err)
	other, err := f.Add(&keyfile.Key{Scopes: []string{keyfile.Forward}})
	require.NoError(t, err)
	content, err := f.Bytes()
	require.NoError(t, err)
	secret := key[strings.LastIndexByte(key, '_')+1:]
	assert.NotContains(t, string(content), secret)
	again, err := keyfile.Parse(content)
	require.NoError(t, err)
	assert.Equal(t, f, *again)

	set := again.Set()
	assert.Equal(t, 2, set.Len())
	k, err := set.Check(key, now)
	require.NoError(t, err)
	assert.Equal(t, "acme", k.Tenant)
	assert.True(t, k.Has(keyfile.Admin, keyfile.Read))
	assert.False(t, k.Has(keyfile.Admin))
	_, err = set.Check(key, end)
	assert.ErrorIs(t, err, keyfile.ErrExpired)
	_, err = set.Check(other, now)
	assert.NoError(t, err)
}

func TestWhatIsNoKey(t *testing.T) {
	var f keyfile.File
	key, err := f.Add(&keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}})
	require.NoError(t, err)
	set := f.Set()
	for _, given := range []string{"", "penstock_", key[:len(key)-1], key + "0", strings.ToUpper(key), key[:len("penstock_12345678_")], strings.Replace(key, "penstock_", "penstock_a", 1),
		strings.Repeat("x", 1<<20), f.Keys[0].Hash, key[len("penstock_"):]} {
		_, err := set.Check(given, now)
		assert.ErrorIs(t, err, keyfile.ErrUnknown, given[:min(len(given), 90)])
	}
	_, err = (&keyfile.File{}).Set().Check(key, now)
	assert.ErrorIs(t, err, keyfile.ErrUnknown)
}

func TestEveryMistakeIsNamed(t *testing.T) {
	const hash = "hash: sha256:0000000000000000000000000000000000000000000000000000000000000000"
	for content, want := range map[string][]string{
		"keys:\n- {id: ABC, hash: x}": {"keys[0] id: \"ABC\"", "hash: it is not sha256:", "tenant: ", "scopes: at least one is needed"},
		"keys:\n- {id: abcdefgh, " + hash + ", tenant: a/b, scopes: [ingest, write], signals: [log], services: ['']}":                 {"tenant: ", `scopes: "write" is not one of ingest, forward, read, replay, erase, decrypt, admin`, `signals: "log" is not one of`, "services: one is empty"},
		"keys:\n- {id: abcdefgh, " + hash + ", tenant: a, scopes: [read]}\n- {id: abcdefgh, " + hash + ", tenant: a, scopes: [read]}": {`keys[1] id: "abcdefgh" is used twice`},
		"keys:\n- {id: abcdefgh, " + hash + ", scopes: [forward, read]}":                                                              {"tenant: "},
		"keys:\n- {id: abcdefgh, limit: 3}": {"limit"},
		"keys:\n-":                          {"keys[0] is empty"},
		"keys:\n- {id: abcdefgh, " + hash + ", tenant: a, scopes: [ingest], limits: {bytes_per_second: -1, burst: 2h, streams: 3}}": {
			"keys[0] limits: bytes_per_second: -1 is not between 0", "burst: 2h0m0s is not between", "limits: streams: only tenants can have this limit"},
		"tenants:\n- {tenant: a, limits: {items_per_second: -1}}\n- {tenant: a}\n-\n- {tenant: a/b, limits: {streams: 1}}": {
			"tenants[0] limits: items_per_second: -1", `tenants[1] tenant: "a" is used twice`, "tenants[1] limits: at least one must be set", "tenants[2] is empty", "tenants[3] tenant: "},
		"keys:\n- {id: abcdefgh, limits: {bytes_per_seconds: 3}}": {"bytes_per_seconds"},
		"key: []": {"key"},
		"[":       {"yaml"},
	} {
		_, err := keyfile.Parse([]byte(content))
		for _, text := range want {
			assert.ErrorContains(t, err, text, content)
		}
	}
	_, err := keyfile.Parse([]byte("keys:\n- {id: abcdefgh, " + hash + ", tenant: 'acme ', scopes: [read]}"))
	assert.ErrorContains(t, err, `tenant: "acme " begins or ends with a space`)
	_, err = keyfile.Parse([]byte("keys:\n" + strings.Repeat("- {id: a}\n", 20_000)))
	assert.ErrorContains(t, err, "there may be more mistakes after these")
	assert.Less(t, len(err.Error()), 100_000)
	for _, scopes := range []string{"forward", "admin", "forward, ingest", "admin, read, erase"} {
		_, err := keyfile.Parse([]byte("keys:\n- {id: abcdefgh, " + hash + ", scopes: [" + scopes + "]}"))
		assert.NoError(t, err, "%s needs no tenant", scopes)
	}
	f, err := keyfile.Parse(nil)
	require.NoError(t, err)
	assert.Empty(t, f.Keys)
}

func TestLimits(t *testing.T) {
	f, err := keyfile.Parse([]byte("tenants:\n- {tenant: acme, limits: {bytes_per_second: 5, burst: 3s, streams: 0}}"))
	require.NoError(t, err)
	rate := int64(20_000)
	key, err := f.Add(&keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}, Limits: &quota.Override{BytesPerSecond: &rate}})
	require.NoError(t, err)
	content, err := f.Bytes()
	require.NoError(t, err)
	f, err = keyfile.Parse(content)
	require.NoError(t, err, "%s", content)
	k, err := f.Set().Check(key, now)
	require.NoError(t, err)
	assert.Equal(t, quota.Limits{BytesPerSecond: rate, ItemsPerSecond: 7}, k.Limits.Apply(quota.Limits{ItemsPerSecond: 7}))
	assert.Equal(t, quota.Limits{BytesPerSecond: 5, Burst: 3 * time.Second}, f.Set().TenantLimits("acme").Apply(quota.Limits{Streams: 9}))
	assert.Nil(t, f.Set().TenantLimits("other"))
	assert.Nil(t, (&keyfile.Set{}).TenantLimits("acme"))
}

// A series belongs to a tenant: the smallest number of any of its keys applies, and an entry under tenants takes precedence.
func TestSeries(t *testing.T) {
	f, err := keyfile.Parse([]byte("tenants:\n- {tenant: beta, limits: {series: 0}}\n- {tenant: gamma, limits: {streams: 5}}"))
	require.NoError(t, err)
	for _, k := range []struct {
		tenant string
		series int64
	}{{"acme", 30}, {"acme", 20}, {"beta", 10}, {"acme", 0}} {
		_, err := f.Add(&keyfile.Key{Tenant: k.tenant, Scopes: []string{keyfile.Ingest}, Limits: &quota.Override{Series: &k.series}})
		require.NoError(t, err)
	}
	series := f.Set().Series()
	assert.EqualValues(t, 20, *series.Of("acme"))
	assert.EqualValues(t, 0, *series.Of("beta"))
	assert.Nil(t, series.Of("gamma"))
	assert.Nil(t, (&keyfile.Set{}).Series().Of("acme"))
	one := int64(1)
	_, err = f.Add(&keyfile.Key{Scopes: []string{keyfile.Forward}, Limits: &quota.Override{Series: &one}})
	assert.ErrorContains(t, err, "limits: series: only tenants can have this limit, and the key has no tenant")
}

func FuzzCheck(f *testing.F) {
	var file keyfile.File
	key, err := file.Add(&keyfile.Key{Tenant: "acme", Scopes: []string{keyfile.Ingest}})
	require.NoError(f, err)
	set := file.Set()
	f.Add(key)
	f.Fuzz(func(t *testing.T, given string) {
		_, err := set.Check(given, now)
		require.Equal(t, given == key, err == nil)
	})
}
