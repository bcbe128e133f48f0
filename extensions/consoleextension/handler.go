package consoleextension

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/confmap"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
)

//go:embed web
var web embed.FS

// policy lets the page run its own modules, and ask its own origin; text can't become markup, whatever a module does.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// maxNames bounds the names that one question about the collector's own metrics has.
const maxNames = 200

var (
	everybody = admin.Need{}
	operators = admin.Need{Operator: true}
	readers   = admin.Need{Scopes: []string{access.Read}}
)

func (c *console) handler() *admin.Mux {
	mux := &admin.Mux{}
	mux.HandleFunc("GET /v1/about", everybody, c.serveAbout)
	mux.HandleFunc("GET /v1/state", operators, c.serveState)
	mux.HandleFunc("GET /v1/series", operators, c.serveSeries)
	mux.HandleFunc("GET /v1/tap", readers, c.serveTaps)
	mux.HandleFunc("GET /v1/tap/records", readers, c.serveTap)
	c.stores.serve(mux)
	mux.HandleFunc("GET /", everybody, assets())
	return mux
}

// about is what the page knows before it asks anything else.
type about struct {
	Name    string    `json:"name"`
	About   string    `json:"about"`
	Version string    `json:"version"`
	Host    string    `json:"host"`
	Since   time.Time `json:"since"`
	// Operator: the client may see all tenants. Tenant is the only one that it sees otherwise.
	Operator bool   `json:"operator"`
	Tenant   string `json:"tenant,omitempty"`
	// Keys: clients have API keys.
	Keys bool `json:"keys"`
	// Scopes are what the client may do.
	Scopes []string `json:"scopes"`
	// Stores are what is stored in this process, and can be asked below its name.
	Stores []string `json:"stores"`
	// Components are the ids of what has an API on this listener, by type.
	Components map[string][]string `json:"components"`
	// Jobs are the receivers that take replay jobs, with their signals.
	Jobs map[string][]string `json:"jobs"`
}

func (c *console) serveAbout(w http.ResponseWriter, r *http.Request) {
	client := access.Of(r.Context())
	tenant, _ := client.Tenant()
	scopes := []string{}
	for _, scope := range access.Scopes {
		if client.May(scope) {
			scopes = append(scopes, scope)
		}
	}
	answer(w, about{
		Name: c.info.Command, About: c.info.Description, Version: c.info.Version, Host: c.host, Since: c.since,
		Operator: client.Operator(), Tenant: tenant, Keys: !client.Open, Scopes: scopes, Stores: c.stores.names(), Components: components(c.conf.Load()), Jobs: jobs(c.conf.Load()),
	})
}

// components lists the ids of a configuration's components by type.
func components(conf *confmap.Conf) map[string][]string {
	all := map[string][]string{}
	add := func(id string) {
		kind, _, _ := strings.Cut(id, "/")
		if !slices.Contains(all[kind], id) {
			all[kind] = append(all[kind], id)
		}
	}
	if conf != nil {
		for _, id := range texts(conf.Get("service::extensions")) {
			add(id)
		}
	}
	for _, p := range pipelines(conf) {
		for _, id := range slices.Concat(p.Receivers, p.Processors, p.Exporters) {
			add(id)
		}
	}
	for kind := range all {
		slices.Sort(all[kind])
	}
	return all
}

func (c *console) serveState(w http.ResponseWriter, _ *http.Request) {
	conf := c.conf.Load()
	answer(w, map[string]any{"now": time.Now().UTC(), "pipelines": pipelines(conf), "groups": groups(conf), "components": c.states.list(), "disks": disks(conf)})
}

// serveSeries answers with the collector's own metrics of the given names.
func (c *console) serveSeries(w http.ResponseWriter, r *http.Request) {
	after := int64(-1)
	if text := r.URL.Query().Get("after"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			http.Error(w, "after: must be a time in Unix milliseconds", http.StatusBadRequest)
			return
		}
		after = n
	}
	names := r.URL.Query()["name"]
	if len(names) > maxNames {
		http.Error(w, "name: there are more than "+strconv.Itoa(maxNames), http.StatusBadRequest)
		return
	}
	times, series := c.ring.Read(names, after)
	answer(w, map[string]any{"interval": c.interval.Seconds(), "times": times, "series": series})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the client has gone: nobody to tell
}

// assets serves the files of the page, index.html at /.
func assets() http.HandlerFunc {
	type file struct {
		content    []byte
		kind, etag string
	}
	files := map[string]file{}
	err := fs.WalkDir(web, "web", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := web.ReadFile(name)
		sum := sha256.Sum256(content)
		files[strings.TrimPrefix(name, "web")] = file{content, contentType(name), `"` + hex.EncodeToString(sum[:8]) + `"`}
		return err
	})
	if err != nil {
		panic(err) // embedded files can be read
	}
	files["/"] = files["/index.html"]
	delete(files, "/index.html")
	return func(w http.ResponseWriter, r *http.Request) {
		f, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", f.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
	}
}

// contentType does not ask the system, whose tables can be wrong.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "text/html; charset=utf-8"
}
