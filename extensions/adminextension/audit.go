package adminextension

import (
	"context"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/adminextension/internal/auditlog"
	adminapi "github.com/penstockhq/penstock/internal/admin"
)

var _ adminapi.Auditor = (*admin)(nil)

func (a *admin) openAudit() (err error) {
	c := a.cfg.Audit
	if c.File == "" {
		return nil
	}
	if a.audit, err = auditlog.Open(auditlog.Settings{File: c.File, MaxSize: c.MaxSize, MaxFiles: c.MaxFiles}); err != nil {
		return fmt.Errorf("audit::file: %w", err)
	}
	return nil
}

func (a *admin) closeAudit() error {
	if a.audit == nil {
		return nil
	}
	return a.audit.Close()
}

// Audit writes a line of the audit log. A line that can't be written is counted and goes to the process's log.
func (a *admin) Audit(e adminapi.Event) {
	if a.audit == nil {
		return
	}
	if err := a.audit.Write(e); err != nil {
		a.telemetry.ExtensionAdminFailedAuditLines.Add(context.Background(), 1)
		a.set.Logger.Error("A line of the audit log could not be written", zap.Error(err), zap.String("who", e.Who), zap.String("from", e.From),
			zap.String("method", e.Method), zap.String("path", e.Path), zap.Int("status", e.Status))
	}
}

// door checks whether the client may use the route, and audits requests that change something or show personal data.
func (a *admin) door(w http.ResponseWriter, r *http.Request, path string, need adminapi.Need, h http.Handler) {
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.allowed(w, r, need) {
			h.ServeHTTP(w, r)
		}
	})
	if adminapi.Changes(r.Method) || need.Personal {
		adminapi.Audited(a, "admin", path, serve, w, r)
		return
	}
	serve(w, r)
}
