// Package restcatalog answers the reading half of the Iceberg REST catalog protocol: DuckDB, Spark, Trino and PyIceberg find the tables of a lake by one address.
//
// Nothing can be changed through it: the routes that write answer with the protocol's error for what a server does not do.
//
// Specification: https://github.com/apache/iceberg/blob/main/open-api/rest-catalog-open-api.yaml
package restcatalog

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// ErrNoTable says that there is no table of a name.
var ErrNoTable = errors.New("no such table")

// Table is what a reader gets of a table.
type Table struct {
	// Location of the metadata file, and its content.
	Location string
	Metadata []byte
	// Config tells the reader how to get at the files. It holds no keys.
	Config map[string]string
}

// Tables are those of one namespace.
type Tables interface {
	// Names are those of the tables that there are, sorted.
	Names(ctx context.Context) ([]string, error)
	// Load returns the newest state of a table; an error that is ErrNoTable if there is none of that name.
	Load(ctx context.Context, name string) (Table, error)
}

// Catalog has one namespace.
type Catalog struct {
	// Namespace is its name.
	Namespace string
	Tables    Tables
	// Refuse says why the client of a request may not see the tables; empty: it may.
	Refuse func(r *http.Request) string
}

// Route is a route, and what serves it.
type Route struct {
	Pattern string // of http.ServeMux
	Handler http.HandlerFunc
}

// Routes are all routes, below the address of the catalog.
func (c *Catalog) Routes() []Route {
	const namespace, tables = "/v1/namespaces/{namespace}", "/v1/namespaces/{namespace}/tables"
	return []Route{
		{"GET /v1/config", c.guarded(c.config)},
		{"GET /v1/namespaces", c.guarded(c.namespaces)},
		{"GET " + namespace, c.guarded(c.within(c.namespace))},
		{"HEAD " + namespace, c.guarded(c.within(noContent))},
		{"GET " + tables, c.guarded(c.within(c.list))},
		{"GET " + tables + "/{table}", c.guarded(c.within(c.load))},
		{"HEAD " + tables + "/{table}", c.guarded(c.within(c.exists))},
		{"/", c.guarded(other)},
	}
}

// endpoints tells clients what this server does; a client that respects it does not try to write.
var endpoints = []string{
	"GET /v1/{prefix}/namespaces",
	"GET /v1/{prefix}/namespaces/{namespace}",
	"HEAD /v1/{prefix}/namespaces/{namespace}",
	"GET /v1/{prefix}/namespaces/{namespace}/tables",
	"GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
	"HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
}

// problem is the protocol's error.
type problem struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Code    int    `json:"code"`
}

func fail(w http.ResponseWriter, code int, kind, message string) {
	answer(w, code, map[string]problem{"error": {message, kind, code}})
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client has gone: nobody to tell
}

func noContent(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// guarded answers clients that may see nothing.
func (c *Catalog) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if why := c.Refuse(r); why != "" {
			fail(w, http.StatusForbidden, "ForbiddenException", why)
			return
		}
		next(w, r)
	}
}

// within answers requests about other namespaces than the one that there is.
func (c *Catalog) within(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if name := r.PathValue("namespace"); name != c.Namespace {
			fail(w, http.StatusNotFound, "NoSuchNamespaceException", "there is no namespace "+strconv.Quote(name)+": this catalog has "+c.Namespace)
			return
		}
		next(w, r)
	}
}

// other answers what no route is for.
func other(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		fail(w, http.StatusNotFound, "NotFoundException", "there is no such route: this catalog has tables, and nothing else")
		return
	}
	fail(w, http.StatusNotAcceptable, "UnsupportedOperationException", "this catalog is read only: the tables are what the exporters have written into the lake")
}

func (c *Catalog) config(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"defaults": map[string]string{},
		// Readers report their scans by POST unless they are told not to.
		"overrides": map[string]string{"rest-metrics-reporting-enabled": "false"},
		"endpoints": endpoints,
	})
}

func (c *Catalog) namespaces(w http.ResponseWriter, r *http.Request) {
	all := [][]string{{c.Namespace}}
	switch parent := r.URL.Query().Get("parent"); parent {
	case "":
	case c.Namespace:
		all = [][]string{}
	default:
		fail(w, http.StatusNotFound, "NoSuchNamespaceException", "there is no namespace "+strconv.Quote(parent)+": this catalog has "+c.Namespace)
		return
	}
	page(w, r, "namespaces", all, func(n []string) string { return strings.Join(n, "\x1f") })
}

func (c *Catalog) namespace(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"namespace": []string{c.Namespace}, "properties": map[string]string{}})
}

type identifier struct {
	Namespace []string `json:"namespace"`
	Name      string   `json:"name"`
}

func (c *Catalog) list(w http.ResponseWriter, r *http.Request) {
	names, err := c.Tables.Names(r.Context())
	if err != nil {
		unavailable(w, err)
		return
	}
	all := make([]identifier, len(names))
	for i, name := range names {
		all[i] = identifier{[]string{c.Namespace}, name}
	}
	page(w, r, "identifiers", all, func(i identifier) string { return i.Name })
}

// page answers with a part of all, which is sorted by key. A page token is the key of the last one before the page, after an equals sign: an empty token begins.
func page[T any](w http.ResponseWriter, r *http.Request, field string, all []T, key func(T) string) {
	q := r.URL.Query()
	result := map[string]any{}
	if q.Has("pageToken") || q.Has("pageSize") {
		if after, ok := strings.CutPrefix(q.Get("pageToken"), "="); ok {
			all = all[sortedAfter(all, after, key):]
		} else if q.Get("pageToken") != "" {
			fail(w, http.StatusBadRequest, "BadRequestException", "pageToken: is none of this catalog")
			return
		}
		size := len(all)
		if text := q.Get("pageSize"); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				fail(w, http.StatusBadRequest, "BadRequestException", "pageSize: must be a positive number")
				return
			}
			size = min(size, n)
		}
		if size < len(all) {
			all = all[:size]
			result["next-page-token"] = "=" + key(all[size-1])
		} else {
			result["next-page-token"] = nil
		}
	}
	result[field] = all
	answer(w, http.StatusOK, result)
}

func sortedAfter[T any](all []T, after string, key func(T) string) int {
	i, found := slices.BinarySearchFunc(all, after, func(v T, after string) int { return strings.Compare(key(v), after) })
	if found {
		i++
	}
	return i
}

// find loads the table of a request, or answers.
func (c *Catalog) find(w http.ResponseWriter, r *http.Request) (t Table, ok bool) {
	name := r.PathValue("table")
	t, err := c.Tables.Load(r.Context(), name)
	switch {
	case errors.Is(err, ErrNoTable):
		fail(w, http.StatusNotFound, "NoSuchTableException", "there is no table "+strconv.Quote(name)+" in "+c.Namespace+": one comes with the first file")
	case err != nil:
		unavailable(w, err)
	}
	return t, err == nil
}

func (c *Catalog) exists(w http.ResponseWriter, r *http.Request) {
	if _, ok := c.find(w, r); ok {
		w.WriteHeader(http.StatusNoContent)
	}
}

func (c *Catalog) load(w http.ResponseWriter, r *http.Request) {
	t, ok := c.find(w, r)
	if !ok {
		return
	}
	tag := strconv.Quote(t.Location)
	w.Header().Set("ETag", tag)
	for known := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimPrefix(strings.TrimSpace(known), "W/") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	answer(w, http.StatusOK, map[string]any{"metadata-location": t.Location, "metadata": json.RawMessage(t.Metadata), "config": t.Config})
}

// unavailable says that the lake does not answer: the client may try again.
func unavailable(w http.ResponseWriter, err error) {
	fail(w, http.StatusServiceUnavailable, "ServiceUnavailableException", "the lake's metadata could not be read: "+err.Error())
}
