package adminextension

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/adminextension/internal/token"
	"github.com/penstockhq/penstock/internal/access"
	adminapi "github.com/penstockhq/penstock/internal/admin"
)

// tokenHeader carries the token if an authenticator of the listener uses the Authorization header.
const tokenHeader = "Penstock-Admin-Token"

var (
	errNoToken    = errors.New("this needs the admin token: send `Authorization: Bearer <token>`; the token is in the file that admin's token_file names")
	errWrongToken = errors.New("this is not the admin token; the token is in the file that admin's token_file names")
	errNoFile     = errors.New("this needs the admin token: set token_file, or auth, on the admin extension")
)

// ownKey marks the context of requests that arrived at this extension's listener.
type ownKey struct{ *admin }

func (a *admin) markOwn(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), ownKey{a}, true))
}

// openToken reads the token, and creates it at the first start.
func (a *admin) openToken() (err error) {
	path := a.cfg.TokenFile
	if path == "" {
		return nil
	}
	made := false
	if a.token, made, err = token.Open(path); err != nil {
		return fmt.Errorf("token_file: %w", err)
	}
	switch {
	case made:
		a.set.Logger.Info("created the admin token: requests that delete, decrypt or replace need it", zap.String("file", path))
	case token.Readable(path):
		a.set.Logger.Warn("token_file: other users of this machine may read the admin token: chmod 600", zap.String("file", path))
	}
	return nil
}

// Authorize returns the name of r's client if the client has the scope; otherwise an error for the client, which repeats nothing of the request. r
// may come from any listener. A client has a scope if its API key has it, or if it sends the admin token, in the header Authorization or, if an
// authenticator uses that one, Penstock-Admin-Token. On this extension's own listener an authenticator without scopes is enough: it admits
// administrators only.
func (a *admin) Authorize(r *http.Request, scope string) (who string, err error) {
	defer func() {
		if err == nil {
			adminapi.By(r.Context(), who)
		}
	}()
	if c := access.Of(r.Context()); !c.Open {
		if !c.May(scope) && !a.token.Allows(r.Header.Get(tokenHeader)) {
			a.refused(r, "scope")
			return "", fmt.Errorf("this needs an API key with the scope %s", scope)
		}
		return cmp.Or(adminapi.Name(r.Context()), "API key"), nil
	}
	own := r.Context().Value(ownKey{a}) != nil
	if auth := a.cfg.ServerConfig.Auth; own && auth.HasValue() {
		return cmp.Or(adminapi.Name(r.Context()), "authenticated by "+auth.Get().Config.AuthenticatorID.String()), nil
	}
	if err := a.checkToken(r); err != nil {
		a.refused(r, "token")
		return "", err
	}
	return cmp.Or(adminapi.Name(r.Context()), "admin token"), nil
}

func (a *admin) checkToken(r *http.Request) error {
	if a.cfg.TokenFile == "" {
		return errNoFile
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		given = ""
	}
	other := r.Header.Get(tokenHeader)
	switch {
	case a.token.Allows(strings.TrimSpace(given)), a.token.Allows(other):
		return nil
	case given == "" && other == "":
		return errNoToken
	default:
		return errWrongToken
	}
}
