package admin

import (
	"cmp"
	"net/http"
	"slices"

	"go.opentelemetry.io/collector/component"
)

// Queryable is what an extension offers that answers queries about what it stores: embedded_tsdb and embedded_logs do.
type Queryable interface {
	// QueryAPI returns what it stores ("metrics", "logs") and a handler of queries, with paths as on the store's own listener. The handler
	// keeps to the tenant of access.Of.
	QueryAPI() (name string, h http.Handler)
}

// QueryAPIs returns the handlers of the host's stores by what they store. Of several stores of one name the first by extension id counts.
func QueryAPIs(host component.Host) map[string]http.Handler {
	extensions := host.GetExtensions()
	ids := make([]component.ID, 0, len(extensions))
	for id := range extensions {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b component.ID) int { return cmp.Compare(a.String(), b.String()) })
	found := map[string]http.Handler{}
	for _, id := range ids {
		q, ok := extensions[id].(Queryable)
		if !ok {
			continue
		}
		if name, h := q.QueryAPI(); found[name] == nil {
			found[name] = h
		}
	}
	return found
}
