package mistakes

import (
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/internal/variables"
)

// serverKeys are settings that only a server has, over HTTP and gRPC: the endpoint beside them is a listening address.
var serverKeys = []string{"read_header_timeout", "max_recv_msg_size_mib", "max_concurrent_streams"}

// servers are types of components whose endpoint is a listening address, although no other setting shows that.
var servers = []string{"embedded_kafka", "embedded_tsdb"}

// listener is an address that a component listens on.
type listener struct {
	path    []string
	address string
}

// twice records a fault if two components in use listen on one address: the one that starts later would find the port used, by its own process.
func (f *finder) twice() {
	slices.SortFunc(f.listens, func(a, b listener) int { return strings.Compare(joined(a.path), joined(b.path)) })
	seen := map[string][]string{}
	for _, l := range f.listens {
		if _, port, err := net.SplitHostPort(l.address); err != nil || port == "0" || !f.isUsed(l.path[0], l.path[1]) {
			continue
		}
		before, taken := seen[l.address]
		if !taken {
			seen[l.address] = l.path
			continue
		}
		other, at := before, l.path // The one that the user wrote is the mistake.
		if f.reader.Wrote(before) && !f.reader.Wrote(l.path) || f.setByVariable(before) && !f.setByVariable(l.path) && !f.reader.Wrote(l.path) {
			other, at = l.path, before
		}
		f.fault(at, fmt.Sprintf("%s listens on %s too", joined(other), l.address))
	}
}

// setByVariable reports whether a variable that is set decides the value at path.
func (f *finder) setByVariable(path []string) bool {
	value, _ := at(f.unexpanded, path)
	text, _ := value.(string)
	return os.Getenv(decides(text)) != ""
}

// listeners checks the endpoints on which a component would listen: the collector checks them only when it starts.
func (f *finder) listeners(t reflect.Type, conf any, path []string) {
	m, ok := conf.(map[string]any)
	if t = unwrap(t); !ok || t == nil || t.Kind() != reflect.Struct {
		return
	}
	fields := fieldsOf(t)
	isServer := slices.ContainsFunc(serverKeys, func(key string) bool { return fields[key] != nil }) || len(path) == 2 && slices.Contains(servers, typeOf(path[1]))
	for key, value := range m {
		where := append(slices.Clone(path), key)
		switch value := value.(type) {
		case map[string]any:
			f.listeners(fields[key], value, where)
		case string:
			if key == "endpoint" && isServer && m["transport"] != "unix" && !strings.HasPrefix(value, "/") {
				if i := strings.LastIndex(value, "${"); i >= 0 && !strings.Contains(value[i:], "}") {
					f.fault(where, fmt.Sprintf("%q: a reference to a variable ends with }, as in ${env:NAME}", value))
				} else if err := variables.CheckListener(value); err != nil {
					f.fault(where, err.Error())
				} else {
					f.listens = append(f.listens, listener{where, value})
				}
			}
		case int:
			if key == "endpoint" && isServer {
				f.fault(where, "want host:port, as in 127.0.0.1:"+strconv.Itoa(value))
			}
		}
	}
}
