package adminextension

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/access"
	adminapi "github.com/penstockhq/penstock/internal/admin"
)

// indexPolicy allows the page its own style sheet and nothing else.
const indexPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"

//go:embed index.html
var indexText string

var indexPage = template.Must(template.New("index").Parse(indexText))

// instance is the page's information about the collector.
type instance struct {
	Name    string // the distribution's
	About   string
	Version string
	Host    string
	Since   time.Time
}

// title returns the name of a distribution's command for a heading: Penstock.
func title(command string) string {
	if command == "" {
		return "Collector"
	}
	first, size := utf8.DecodeRuneInString(command)
	return string(unicode.ToUpper(first)) + command[size:]
}

// entry is a line of the list; the template escapes its fields.
type entry struct {
	ID    string
	Title string
	Href  string
}

// serveHome redirects browsers to the console, or lists the registered components if there is none.
func (a *admin) serveHome(w http.ResponseWriter, r *http.Request) {
	if _, ok := a.mounts.find("/" + adminapi.ConsoleID); ok && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		adminapi.Redirect(w, adminapi.ConsoleID+"/")
		return
	}
	a.serveIndex(w, r)
}

// notFound answers that nothing is registered at a path.
func notFound(path string) string {
	if strings.HasPrefix(path, "/"+adminapi.ConsoleID+"/") {
		return "the console extension shows the pages, and this collector does not have it: add console to extensions and to service::extensions"
	}
	return "no component is registered at this path; / lists the registered ones"
}

func (a *admin) serveIndex(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the index is read only", http.StatusMethodNotAllowed)
		return
	}
	var entries []entry
	c := access.Of(r.Context())
	for _, m := range a.mounts.list() {
		if !m.shown(c) {
			continue
		}
		entries = append(entries, entry{ID: m.id, Title: m.title, Href: "./" + (&url.URL{Path: m.id}).EscapedPath() + "/"})
	}
	var page bytes.Buffer
	if err := indexPage.Execute(&page, map[string]any{"Instance": a.instance, "Entries": entries}); err != nil {
		a.set.Logger.Error("index page", zap.Error(err))
		http.Error(w, "the index page could not be rendered; see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", indexPolicy)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(page.Bytes()) // the client is gone
}
