package rows

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/penstockhq/penstock/internal/columnar"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/xpdata/entity"
)

// resource is a resource turned into columns once for all its rows.
type resource struct {
	promoted  [len(promotedResource)][]byte // nil: absent
	rest      entries
	dropped   int64
	schemaURL []byte
	exact     []byte
	tenant    int32 // index into plan.tenants
}

// scope is an instrumentation scope turned into columns, and the resource it belongs to.
type scope struct {
	resource      *resource
	name, version []byte
	rest          entries
	dropped       int64
	schemaURL     []byte
	exact         []byte
}

// originColumns are the columns of resource and scope, the same in every table.
type originColumns struct {
	promoted                [len(promotedResource)]*stringColumn
	rest                    mapColumns
	resourceDropped         *intColumn
	resourceURL             *stringColumn
	scopeName, scopeVersion *stringColumn
	scopeRest               mapColumns
	scopeDropped            *intColumn
	scopeURL                *stringColumn
}

func newOriginColumns(g *columnar.Group) *originColumns {
	c := &originColumns{}
	for i, p := range promotedResource {
		flags := columnar.Flags(0)
		if i == 0 { // service.name: files of a quiet hour hold few of many
			flags = columnar.BloomFew
		}
		c.promoted[i] = g.String(p[1], flags)
	}
	c.rest = newMapColumns(g, "resource_attributes")
	c.resourceDropped = g.Int64("resource_dropped_attributes_count", columnar.Required)
	c.resourceURL = g.String("resource_schema_url", 0)
	c.scopeName = g.String("scope_name", 0)
	c.scopeVersion = g.String("scope_version", 0)
	c.scopeRest = newMapColumns(g, "scope_attributes")
	c.scopeDropped = g.Int64("scope_dropped_attributes_count", columnar.Required)
	c.scopeURL = g.String("scope_schema_url", 0)
	return c
}

func (c *originColumns) put(s *scope) {
	r := s.resource
	for i, v := range r.promoted {
		putShared(c.promoted[i], v)
	}
	c.rest.putShared(&r.rest)
	c.resourceDropped.Put(r.dropped)
	putShared(c.resourceURL, r.schemaURL)
	putShared(c.scopeName, s.name)
	putShared(c.scopeVersion, s.version)
	c.scopeRest.putShared(&s.rest)
	c.scopeDropped.Put(s.dropped)
	putShared(c.scopeURL, s.schemaURL)
}

func (c *collector) resource(res pcommon.Resource, schemaURL string) *resource {
	c.exact = nil
	r := &resource{dropped: int64(res.DroppedAttributesCount())}
	take := func(k string, v pcommon.Value) bool {
		i := resourceSlot(k)
		if i < 0 || r.promoted[i] != nil || v.Type() != pcommon.ValueTypeStr {
			return false
		}
		s, ok := valid(v.Str())
		if ok {
			r.promoted[i] = bytesOf(s)
		}
		return ok
	}
	r.rest = c.collect("resource_attributes", res.Attributes(), take).clone()
	r.schemaURL = c.optional("resource_schema_url", schemaURL)
	if refs := entity.ResourceEntityRefs(res); refs.Len() > 0 {
		c.override("resource_entity_refs", func(b []byte) []byte { return appendEntities(b, refs) })
	}
	r.exact = c.exact
	return r
}

func (c *collector) scope(r *resource, is pcommon.InstrumentationScope, schemaURL string) *scope {
	c.exact = nil
	s := &scope{resource: r, dropped: int64(is.DroppedAttributesCount())}
	s.name = c.optional("scope_name", is.Name())
	s.version = c.optional("scope_version", is.Version())
	s.rest = c.collect("scope_attributes", is.Attributes(), nil).clone()
	s.schemaURL = c.optional("scope_schema_url", schemaURL)
	s.exact = append(slices.Clone(r.exact), c.exact...)
	return s
}

// optional is str with nil for an empty string.
func (c *collector) optional(path, s string) []byte {
	if s == "" {
		return nil
	}
	return c.str(path, s)
}

// compareService orders by service name, as the file is sorted: absent first.
func (r *resource) compareService(o *resource) int {
	a, b := r.promoted[0], o.promoted[0]
	if (a == nil) != (b == nil) {
		return cmp.Compare(btoi(a != nil), btoi(b != nil))
	}
	return bytes.Compare(a, b)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
