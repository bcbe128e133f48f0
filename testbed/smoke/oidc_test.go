package smoke

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// identityProvider is an OpenID Connect provider: its discovery document, its key, and tokens signed with it (RFC 7515, RS256).
type identityProvider struct {
	*httptest.Server
	key *rsa.PrivateKey
}

func newIdentityProvider(t *testing.T) *identityProvider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p := &identityProvider{key: key}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		var answer any
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			answer = map[string]any{"issuer": "http://" + r.Host, "jwks_uri": "http://" + r.Host + "/keys", "authorization_endpoint": "http://" + r.Host + "/a", "token_endpoint": "http://" + r.Host + "/t",
				"id_token_signing_alg_values_supported": []string{"RS256"}}
		case "/keys":
			answer = map[string]any{"keys": []any{map[string]any{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())}}}
		default:
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *identityProvider) token(t *testing.T, audience string, expires time.Duration, claims map[string]any) string {
	t.Helper()
	all := map[string]any{"iss": p.URL, "sub": "jo", "aud": audience, "iat": time.Now().Unix(), "exp": time.Now().Add(expires).Unix()}
	for k, v := range claims {
		all[k] = v
	}
	payload, err := json.Marshal(all)
	require.NoError(t, err)
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"1","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	require.NoError(t, err)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// The tokens of an identity provider count beside the keys, on every listener: their claims are tenant and scopes.
func TestTokensOfAnIdentityProvider(t *testing.T) {
	provider := newIdentityProvider(t)
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	key := newKey(t, keys, "--tenant", "acme", "--scope", "ingest")
	p := process.Start(t, process.Settings{Args: []string{soonInTheLake}, Env: map[string]string{"PENSTOCK_KEYS_FILE": keys, "PENSTOCK_OIDC_ISSUER": provider.URL}})
	const hour = time.Hour
	sender := provider.token(t, "penstock", hour, map[string]any{"tenant": "acme", "scope": "openid ingest"})
	reader := provider.token(t, "penstock", hour, map[string]any{"tenant": "acme", "scope": "read replay"})
	forged := newIdentityProvider(t).token(t, "penstock", hour, map[string]any{"iss": provider.URL, "tenant": "acme", "scope": "ingest admin"})
	for name, c := range map[string]struct {
		method, url, token, body string
		want                     int
	}{
		"sends":             {http.MethodPost, "http://" + p.HTTP() + "/v1/logs", sender, string(logOf("shop", "token")), 200},
		"a key does too":    {http.MethodPost, "http://" + p.HTTP() + "/v1/logs", key, string(logOf("shop", "key")), 200},
		"a reader does not": {http.MethodPost, "http://" + p.HTTP() + "/v1/logs", reader, string(logOf("shop", "no")), 401},
		"asks":              {http.MethodGet, "http://" + p.TSDB() + "/api/v1/query?query=up", reader, "", 200},
		"no operator":       {http.MethodGet, "http://" + p.TSDB() + "/api/v1/status/tsdb", reader, "", 403},
		"sees pages":        {http.MethodGet, "http://" + p.Admin() + "/cardinality_guard/tsdb/", reader, "", 200},
		"another audience":  {http.MethodPost, "http://" + p.HTTP() + "/v1/logs", provider.token(t, "other", hour, map[string]any{"tenant": "acme", "scope": "ingest"}), string(logOf("shop", "no")), 401},
		"expired":           {http.MethodPost, "http://" + p.HTTP() + "/v1/logs", provider.token(t, "penstock", -hour, map[string]any{"tenant": "acme", "scope": "ingest"}), string(logOf("shop", "no")), 401},
		"no tenant":         {http.MethodPost, "http://" + p.HTTP() + "/v1/logs", provider.token(t, "penstock", hour, map[string]any{"scope": "ingest"}), string(logOf("shop", "no")), 401},
		"forged":            {http.MethodPost, "http://" + p.HTTP() + "/v1/logs", forged, string(logOf("shop", "no")), 401},
	} {
		var status int
		var text string
		ask.Eventually(t, func() error { // the stores open beside the rest of the start
			if status, text = callWith(t, c.method, c.url, c.body, "Authorization", "Bearer "+c.token); status == http.StatusServiceUnavailable {
				return errors.New(text)
			}
			return nil
		})
		assert.Equal(t, c.want, status, "%s: %s", name, text)
	}
	awaitRows(t, p, map[string]int64{"acme": 2})
	for _, secret := range []string{sender, reader, forged} {
		assert.NotContains(t, p.Log(), secret)
	}
}
