package admin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
)

type attributes map[string]any

func (a attributes) GetAttribute(name string) any { return a[name] }

func (attributes) GetAttributeNames() []string { return nil }

func TestNameIsWhatTheAuthenticatorKnows(t *testing.T) {
	for want, auth := range map[string]client.AuthData{
		"oidc":  attributes{"subject": "oidc", "raw": "secret"},
		"basic": attributes{"username": "basic", "raw": "secret"},
		"sub":   attributes{"sub": "sub", "email": "mail"},
		"":      attributes{"raw": "secret", "subject": 5},
	} {
		assert.Equal(t, want, admin.Name(client.NewContext(t.Context(), client.Info{Auth: auth})))
	}
	assert.Empty(t, admin.Name(context.Background()))
}

func TestWithoutAdminExtensionNobodyIsAuthorized(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.SetBasicAuth("root", "root")
	who, err := admin.FindAuthorizer(componenttest.NewNopHost()).Authorize(r, access.Erase)
	assert.ErrorIs(t, err, admin.ErrNobody)
	assert.Empty(t, who)
}

// The policy lets a browser run exactly this script, which keeps the token in no URL and for one tab.
func TestOldAddressesLeadToTheConsole(t *testing.T) {
	for id, want := range map[string]string{"ledger": "../console/#/view", "cardinality_guard/tsdb": "../../console/#/view"} {
		var parsed component.ID
		require.NoError(t, parsed.UnmarshalText([]byte(id)))
		w := httptest.NewRecorder()
		admin.Moved(parsed, "view")(w, httptest.NewRequest(http.MethodGet, "/", nil))
		assert.Equal(t, http.StatusFound, w.Code)
		assert.Equal(t, want, w.Header().Get("Location"), id)
	}
}
