package lakeextension

import (
	"context"
	"net/http"
	"strconv"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/extensions/lakeextension/internal/iceberg"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/keeper"
	"github.com/penstockhq/penstock/extensions/lakeextension/internal/restcatalog"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/bucket"
)

const (
	// catalogID is where the catalog is on the admin listener: /iceberg.
	catalogID = "iceberg"
	// namespace is that of all tables.
	namespace = "lake"
)

// mountCatalog shows the catalog on the admin extension. It returns a function to call on shutdown.
func mountCatalog(host component.Host, id component.ID, store lakestore.Store, uri string, logger *zap.Logger) (unmount func()) {
	m, ok := admin.Find(host)
	if !ok {
		logger.Info("no admin extension: the tables of the lake have no catalog")
		return func() {}
	}
	c := restcatalog.Catalog{Namespace: namespace, Tables: newCatalogTables(store, uri), Refuse: refuse}
	mux := &admin.Mux{}
	for _, r := range c.Routes() {
		mux.HandleFunc(r.Pattern, admin.Need{Scopes: []string{access.Read}}, r.Handler)
	}
	path := catalogID
	if id.Name() != "" {
		path += "/" + id.Name()
	}
	unmount, err := m.Mount(path, "Iceberg catalog of the lake", mux)
	if err != nil {
		logger.Warn("No admin page", zap.Error(err))
		return func() {}
	}
	return unmount
}

// refuse says why a client gets nothing: a table has the rows of all tenants, and who reads its files sees them all.
func refuse(r *http.Request) string {
	c := access.Of(r.Context())
	if c.Operator() {
		return ""
	}
	if c.Own() != "" {
		return "the tables of the lake hold the rows of all tenants, and this API key is the one of " + strconv.Quote(c.Own()) + ": it needs the scope " + access.Admin
	}
	return "the tables of the lake hold the rows of all tenants: an API key needs the scope " + access.Admin
}

// catalogTables are the tables of a lake as the catalog shows them.
type catalogTables struct {
	config map[string]string

	mu     sync.Mutex
	tables map[string]*iceberg.Table // guarded by mu
}

var _ restcatalog.Tables = (*catalogTables)(nil)

func newCatalogTables(store lakestore.Store, uri string) *catalogTables {
	c := &catalogTables{config: readersConfig(store), tables: map[string]*iceberg.Table{}}
	for _, signal := range keeper.Signals {
		c.tables[signal] = openTable(store, uri, signal, 0)
	}
	return c
}

// readersConfig tells readers where an object store is, in the words of Iceberg's file access. They bring keys of their own.
func readersConfig(store lakestore.Store) map[string]string {
	config := map[string]string{}
	l, err := bucket.Parse(store.Root())
	if !bucket.Is(store.Root()) || err != nil {
		return config
	}
	if l.Endpoint != bucket.AWSEndpoint {
		config["s3.endpoint"] = l.Endpoint
	}
	if l.PathStyle {
		config["s3.path-style-access"] = "true"
	}
	if region := bucket.Region(l); region != "" {
		config["client.region"], config["s3.region"] = region, region
	}
	return config
}

// Names implements restcatalog.Tables.
func (c *catalogTables) Names(ctx context.Context) (names []string, err error) {
	for _, signal := range keeper.Signals {
		v, err := c.version(ctx, signal)
		if err != nil {
			return nil, err
		}
		if v.Metadata().Snapshot() != nil {
			names = append(names, signal)
		}
	}
	return names, nil
}

// Load implements restcatalog.Tables.
func (c *catalogTables) Load(ctx context.Context, name string) (restcatalog.Table, error) {
	if c.tables[name] == nil {
		return restcatalog.Table{}, restcatalog.ErrNoTable
	}
	v, err := c.version(ctx, name)
	if err != nil {
		return restcatalog.Table{}, err
	}
	if v.Metadata().Snapshot() == nil {
		return restcatalog.Table{}, restcatalog.ErrNoTable
	}
	return restcatalog.Table{Location: c.tables[name].Location(v), Metadata: v.Content, Config: c.config}, nil
}

func (c *catalogTables) version(ctx context.Context, signal string) (*iceberg.Version, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tables[signal].Load(ctx)
}
