package ledgerextension

import (
	"bytes"
	"context"
	_ "embed"
	"html/template"
	"net/http"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/access"
)

// pagePolicy lets the page use its own style sheet and nothing else.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// servePage shows the rows by hour of receipt.
func (l *ledgerExtension) servePage(w http.ResponseWriter, r *http.Request) {
	if !reads(w, r) {
		return
	}
	q, err := parse(r)
	if err == nil {
		err = q.confine(access.Of(r.Context()))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), l.cfg.Timeout)
	defer cancel()
	shown := map[string]any{"None": "", "Answer": (*answer)(nil)}
	if len(l.all()) == 0 {
		shown["None"] = noJournal
	} else {
		shown["Answer"] = l.rows(ctx, q)
	}
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, shown); err != nil {
		l.set.Logger.Error("ledger page", zap.Error(err))
		http.Error(w, "the page could not be made; see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(page.Bytes()) // the client has gone: nobody to tell
}
