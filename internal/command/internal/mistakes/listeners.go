package mistakes

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/internal/variables"
)

// serverKeys are settings that only a server has, over HTTP and gRPC: the endpoint beside them is one to listen on.
var serverKeys = []string{"read_header_timeout", "max_recv_msg_size_mib", "max_concurrent_streams"}

// listeners checks the endpoints that a component would listen on: the collector finds out only when it starts.
func (f *finder) listeners(t reflect.Type, conf any, path []string) {
	m, ok := conf.(map[string]any)
	if t = unwrap(t); !ok || t == nil || t.Kind() != reflect.Struct {
		return
	}
	fields := fieldsOf(t)
	isServer := slices.ContainsFunc(serverKeys, func(key string) bool { return fields[key] != nil })
	for key, value := range m {
		where := append(slices.Clone(path), key)
		switch value := value.(type) {
		case map[string]any:
			f.listeners(fields[key], value, where)
		case string:
			if key == "endpoint" && isServer && m["transport"] != "unix" && !strings.HasPrefix(value, "/") {
				if err := variables.CheckListener(value); err != nil {
					f.fault(where, err.Error())
				}
			}
		case int:
			if key == "endpoint" && isServer {
				f.fault(where, "want host:port, as in 127.0.0.1:"+strconv.Itoa(value))
			}
		}
	}
}
