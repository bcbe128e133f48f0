package mistakes

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
)

// fileKeys are the TLS settings that name a file which must exist.
var fileKeys = []string{"ca_file", "cert_file", "client_ca_file", "key_file"}

// files warns of missing files that a component in use reads when it starts.
func (f *finder) files(t reflect.Type, conf any, path []string) {
	if t = unwrap(t); t == nil || !f.isUsed(path[0], path[1]) {
		return
	}
	node, isMap := conf.(map[string]any)
	if !isMap {
		return
	}
	tls := strings.HasSuffix(t.PkgPath(), "/configtls")
	for _, key := range slices.Sorted(maps.Keys(node)) {
		where := append(slices.Clone(path), key)
		switch value := node[key].(type) {
		case string:
			if tls && slices.Contains(fileKeys, key) {
				f.file(where, value)
			}
		case []any:
			for i, name := range value {
				if text, ok := name.(string); ok && key == "scrape_config_files" && !strings.ContainsAny(text, "*?[") {
					before := len(f.warnings)
					f.file(append(slices.Clone(where), fmt.Sprint(i)), text)
					f.silent = append(f.silent, f.warnings[before:]...)
				}
			}
		default:
			f.files(typeAt(t, []string{key}), value, where)
		}
	}
}

func (f *finder) file(path []string, name string) {
	if name == "" {
		return
	}
	if _, err := os.Stat(name); err == nil {
		return
	}
	text := fmt.Sprintf("there is no file %q on this machine: a start would fail", name)
	value, _ := at(f.unexpanded, path)
	if written, _ := value.(string); decides(written) != "" {
		text = fmt.Sprintf("%s: %s", decides(written), text)
		f.warnings = append(f.warnings, text)
		return
	}
	f.warn(path, text)
}
