package rows

import (
	"strconv"

	"github.com/penstockhq/penstock/internal/columnar"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// promotedResource are the resource attributes with a column of their own, in column order: attribute and column.
var promotedResource = [...][2]string{
	{"service.name", "service_name"},
	{"service.namespace", "service_namespace"},
	{"service.instance.id", "service_instance_id"},
	{"service.version", "service_version"},
	{"deployment.environment.name", "deployment_environment_name"},
	{"host.name", "host_name"},
	{"k8s.namespace.name", "k8s_namespace_name"},
	{"k8s.pod.name", "k8s_pod_name"},
}

// promotedRecord are the attributes of log records, spans and data points with a column of their own.
var promotedRecord = [...][2]string{
	{"http.request.method", "http_request_method"},
	{"http.route", "http_route"},
	{"url.path", "url_path"},
	{"db.system.name", "db_system_name"},
	{"rpc.method", "rpc_method"},
	{"error.type", "error_type"},
	{"exception.type", "exception_type"},
}

// statusAttribute is the one promoted attribute that is an integer.
const (
	statusAttribute = "http.response.status_code"
	statusColumn    = "http_response_status_code"
)

func resourceSlot(key string) int {
	for i := range promotedResource {
		if promotedResource[i][0] == key {
			return i
		}
	}
	return -1
}

func recordSlot(key string) int {
	switch key { // the compiler switches on length first
	case "http.request.method":
		return 0
	case "http.route":
		return 1
	case "url.path":
		return 2
	case "db.system.name":
		return 3
	case "rpc.method":
		return 4
	case "error.type":
		return 5
	case "exception.type":
		return 6
	}
	return -1
}

// recordColumns are the attributes of a record: its promoted columns and the map of the others.
type recordColumns struct {
	hot    [len(promotedRecord)]*stringColumn
	status *intColumn
	rest   mapColumns

	promote   func(string, pcommon.Value) bool
	values    [len(promotedRecord)][]byte
	statusVal int64
	statusSet bool
}

func newRecordColumns(g *columnar.Group) *recordColumns {
	c := &recordColumns{}
	for i, p := range promotedRecord {
		c.hot[i] = g.String(p[1], 0)
	}
	c.status = g.Int64(statusColumn, 0)
	c.rest = newMapColumns(g, "attributes")
	c.promote = c.take
	return c
}

// take moves an attribute into its column. What has another type, or comes twice, stays in the map.
func (c *recordColumns) take(key string, v pcommon.Value) bool {
	if v.Type() == pcommon.ValueTypeInt {
		if key != statusAttribute || c.statusSet {
			return false
		}
		c.statusSet, c.statusVal = true, v.Int()
		return true
	}
	if v.Type() != pcommon.ValueTypeStr {
		return false
	}
	i := recordSlot(key)
	if i < 0 || c.values[i] != nil {
		return false
	}
	s, ok := valid(v.Str())
	if ok {
		c.values[i] = bytesOf(s)
	}
	return ok
}

func (c *recordColumns) put(col *collector, m pcommon.Map) {
	clear(c.values[:])
	c.statusSet = false
	c.rest.put(col.collect("attributes", m, c.promote), 0, false)
	for i, v := range c.values {
		putOptional(c.hot[i], v)
	}
	if c.statusSet {
		c.status.Put(c.statusVal)
	} else {
		c.status.Null()
	}
}

// putOptional puts v, or null for nil.
func putOptional(c *stringColumn, v []byte) {
	if v == nil {
		c.Null()
	} else {
		c.Put(v)
	}
}

// putShared is putOptional for a value that many rows share.
func putShared(c *stringColumn, v []byte) {
	if v == nil {
		c.Null()
	} else {
		c.PutShared(v)
	}
}

// putText puts s, or null for an empty string: OTLP's string fields don't tell unset from empty.
func putText(c *stringColumn, col *collector, path, s string) {
	if s == "" {
		c.Null()
	} else {
		c.Put(col.str(path, s))
	}
}

// enum names a value of an OTLP enumeration, or writes an unknown one as a number.
func enum(names []string, v int32) string {
	if v >= 0 && int(v) < len(names) {
		return names[v]
	}
	return strconv.Itoa(int(v))
}
