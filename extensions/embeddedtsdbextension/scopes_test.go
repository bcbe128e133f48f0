package embeddedtsdbextension

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/client"
)

// scoped is what an authenticator says of a client; nil: it knows no scopes.
type scoped []string

func (s scoped) GetAttribute(name string) any {
	if name != "scopes" || s == nil {
		return nil
	}
	return []string(s)
}

func (scoped) GetAttributeNames() []string { return nil }

// A key that may read is no key to write with.
func TestWhoMayWrite(t *testing.T) {
	for _, c := range []struct {
		auth client.AuthData
		may  bool
	}{
		{nil, true}, {scoped(nil), true}, {scoped{}, false}, {scoped{"read"}, false}, {scoped{"read", "admin"}, false}, {scoped{"read", "ingest"}, true}, {scoped{"forward", "read"}, true},
	} {
		assert.Equal(t, c.may, mayWrite(client.NewContext(context.Background(), client.Info{Auth: c.auth})), "%v", c.auth)
	}
}
