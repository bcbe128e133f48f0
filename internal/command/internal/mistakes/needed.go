package mistakes

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
)

var idType = reflect.TypeFor[component.ID]()

// extensionKeys are the settings of type id that name an extension.
var extensionKeys = []string{"authenticator", "id", "key_extension", "storage"}

// needs collects the extensions without which a component of type t with the settings conf can't start: authenticators, middlewares, storages.
func (f *finder) needs(t reflect.Type, conf any, path []string) {
	if t = unwrap(t); t == nil {
		return
	}
	switch node := conf.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(node)) {
			if inner := typeAt(t, []string{key}); inner != idType {
				f.needs(inner, node[key], append(slices.Clone(path), key))
			} else if name, isText := node[key].(string); isText && slices.Contains(extensionKeys, key) {
				f.needed[name] = append(f.needed[name], append(slices.Clone(path), key))
			}
		}
	case []any:
		if t.Kind() == reflect.Slice {
			for i, value := range node {
				f.needs(t.Elem(), value, append(slices.Clone(path), fmt.Sprint(i)))
			}
		}
	}
}

// extensionsNeeded checks that each extension that a component in use needs is configured and enabled.
func (f *finder) extensionsNeeded() {
	running, ok := f.names([]string{"service", "extensions"})
	if !ok {
		return
	}
	path, configured := []string{"service", "extensions"}, mapAt(f.whole, []string{"extensions"})
	var lacking []string
	for _, name := range slices.Sorted(maps.Keys(f.needed)) {
		by := f.users(name)
		if len(by) == 0 || slices.Contains(running, name) && has(configured, name) {
			continue
		}
		if _, has := configured[name]; !has {
			f.exists(f.needed[name][0], "extension", name, "extensions")
			continue
		}
		lacking = append(lacking, fmt.Sprintf("%s can't start without %s", strings.Join(by, ", "), name))
	}
	if len(lacking) == 0 {
		return
	}
	text := "this list lacks what others need: " + strings.Join(lacking, "; ")
	if before, _ := at(f.profile, path); before != nil {
		text += fmt.Sprintf(". The profile has %s: repeat these and add yours", strings.ReplaceAll(fmt.Sprint(before), " ", ", "))
	}
	f.fault(path, text)
}

// users lists the components in use that need the extension.
func (f *finder) users(extension string) (by []string) {
	for _, path := range f.needed[extension] {
		if component := joined(owner(path)); f.isUsed(path[0], path[1]) && !slices.Contains(by, component) {
			by = append(by, component)
		}
	}
	return by
}
