package api

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
)

const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

//go:embed jobs.html
var pageText string

//go:embed new.html
var newPageText string

//go:embed new.js
var newPageScript string

var (
	page = template.Must(template.New("jobs").Funcs(template.FuncMap{
		"time": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	}).Parse(pageText))
	newPage = template.Must(template.New("new").Parse(newPageText))
	script  = admin.NewScript(newPageScript)
)

func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	all, err := s.views(access.Of(r.Context()))
	s.show(w, page, pagePolicy, map[string]any{"ID": s.ID.String(), "Jobs": all, "Error": err, "Signals": s.Heads.Signals(), "Now": time.Now()})
}

// serveNew serves the form for a job, which is sent to url.
func (s *Server) serveNew(url string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s.show(w, newPage, script.Policy, map[string]any{"ID": s.ID.String(), "URL": url, "Script": script.Text})
	}
}

func (s *Server) show(w http.ResponseWriter, what *template.Template, policy string, content map[string]any) {
	var out bytes.Buffer
	if err := what.Execute(&out, content); err != nil {
		s.Log.Error("page of jobs", zap.Error(err))
		http.Error(w, "the page could not be made; see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	_, _ = w.Write(out.Bytes()) // the browser is gone
}
