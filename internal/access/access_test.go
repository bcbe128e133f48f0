package access_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/client"

	"github.com/penstockhq/penstock/internal/access"
)

// key is what an authenticator says of a client.
type key map[string]any

func (k key) GetAttribute(name string) any  { return k[name] }
func (k key) GetAttributeNames() []string   { return nil }
func as(auth client.AuthData) access.Client { return access.Of(with(auth)) }
func with(auth client.AuthData) context.Context {
	return client.NewContext(context.Background(), client.Info{Auth: auth})
}

func TestWhatAClientMayDoAndSee(t *testing.T) {
	reader := key{"tenant": "acme", "scopes": []string{access.Read}}
	for name, c := range map[string]struct {
		auth               client.AuthData
		read, ingest, root bool
		acme, beta         bool
	}{
		"nobody asks":           {nil, true, true, true, true, true},
		"one that knows none":   {key{"subject": "somebody"}, true, true, true, true, true},
		"a reader":              {reader, true, false, false, true, false},
		"a sender":              {key{"tenant": "acme", "scopes": []string{access.Ingest}}, false, true, false, true, false},
		"an operator":           {key{"tenant": "acme", "scopes": []string{access.Admin}}, true, false, true, true, true},
		"a reader of no tenant": {key{"tenant": "", "scopes": []string{access.Read}}, true, false, false, false, false},
		"no scope":              {key{"tenant": "acme", "scopes": []string{}}, false, false, false, true, false},
	} {
		got := as(c.auth)
		assert.Equal(t, c.read, got.May(access.Read), name)
		assert.Equal(t, c.ingest, got.May(access.Ingest, access.Forward), name)
		assert.Equal(t, c.root, got.Operator(), name)
		assert.Equal(t, c.acme, got.Sees("acme"), name)
		assert.Equal(t, c.beta, got.Sees("beta"), name)
		assert.Equal(t, c.root, got.Sees(""), name)
		_, one := got.Tenant()
		assert.Equal(t, !c.root, one, name)
	}
	assert.False(t, as(key{"scopes": []string{access.Admin}}).May(access.Decrypt), "personal data is not the operator's")
	assert.False(t, access.Client{}.May(access.Scopes...))
	assert.True(t, access.Of(access.Without(with(reader))).Operator())
}
