// Package admin lets components show a page or an API on the admin extension, without depending on it.
package admin

import (
	"net/http"

	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"
)

// Mounter is what an admin extension offers: h is served under /<id>/, with that prefix stripped, until unmount is called,
// which may be repeated. A taken id is an error.
type Mounter interface {
	Mount(id, title string, h http.Handler) (unmount func(), err error)
}

// Find returns the host's admin extension; ok is false if it has none.
func Find(host component.Host) (m Mounter, ok bool) {
	for _, e := range host.GetExtensions() {
		if m, ok = e.(Mounter); ok {
			return m, true
		}
	}
	return nil, false
}

// Mount shows h on the admin extension, where there is one. It returns a function to call on shutdown. A page that can't be
// shown is no reason not to start: the log says so.
func Mount(host component.Host, id component.ID, title string, h http.Handler, log *zap.Logger) (unmount func()) {
	if m, ok := Find(host); ok {
		unmount, err := m.Mount(id.String(), title, h)
		if err == nil {
			return unmount
		}
		log.Warn("No admin page", zap.Error(err))
	}
	return func() {}
}
