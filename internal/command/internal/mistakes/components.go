package mistakes

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"
)

// kinds are the sections of a configuration with components, and the name of one component.
var kinds = []struct{ section, one string }{
	{"receivers", "a receiver"}, {"processors", "a processor"}, {"exporters", "an exporter"}, {"connectors", "a connector"}, {"extensions", "an extension"},
}

// renamed are types that the collector used to have.
var renamed = map[string]string{"logging": "debug"}

// factories maps sections and types to functions that create the default configuration of a component.
type factories map[string]map[string]func() component.Config

func factoriesOf(f otelcol.Factories) factories {
	return factories{
		"receivers": defaults(f.Receivers), "processors": defaults(f.Processors), "exporters": defaults(f.Exporters),
		"connectors": defaults(f.Connectors), "extensions": defaults(f.Extensions),
	}
}

func defaults[F component.Factory](all map[component.Type]F) map[string]func() component.Config {
	out := map[string]func() component.Config{}
	for t, f := range all {
		out[t.String()] = f.CreateDefaultConfig
	}
	return out
}

// components checks each component's own configuration: all of them, while the collector stops at the first error.
func (f *finder) components(conf *confmap.Conf) {
	for _, k := range kinds {
		section, has := f.whole[k.section]
		if !has || section == nil {
			continue
		}
		all, ok := section.(map[string]any)
		if !ok {
			f.fault([]string{k.section}, fmt.Sprintf("want a mapping of names, as in %s: {%s: {}}, got %s", k.section, exampleOf(section), shown(section, "")))
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(all)) {
			f.component(conf, k.section, k.one, id)
		}
	}
}

// exampleOf returns a name from the text in the place of names.
func exampleOf(value any) string {
	switch value := value.(type) {
	case []any:
		if len(value) == 0 {
			break
		}
		if m, isMap := value[0].(map[string]any); isMap {
			return exampleOf(m)
		}
		return fmt.Sprint(value[0])
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			return name
		}
	case string:
		return value
	}
	return "name"
}

func (f *finder) component(conf *confmap.Conf, section, one, name string) {
	path := []string{section, name}
	var id component.ID
	if err := id.UnmarshalText([]byte(name)); err != nil {
		f.fault(path, fmt.Sprintf("%q is not a name of the form type or type/name", name))
		return
	}
	create := f.factories[section][id.Type().String()]
	if create == nil {
		f.fault(path, f.unknownType(section, one, id.Type().String()))
		return
	}
	raw, _ := at(f.whole, path)
	if _, isMap := raw.(map[string]any); raw != nil && !isMap {
		f.fault(path, "want a mapping of settings, got "+shown(raw, ""))
		return
	}
	sub, err := conf.Sub(section + confmap.KeyDelimiter + name)
	if err != nil {
		f.fault(path, err.Error())
		return
	}
	config := create()
	t := reflect.TypeOf(config)
	if err := sub.Unmarshal(&config); err != nil {
		for _, found := range decodingFaults(err.Error(), raw, t) {
			f.fault(append(slices.Clone(path), found.path...), found.text)
		}
		return
	}
	f.listeners(t, raw, path)
	f.needs(t, raw, path)
	f.files(t, raw, path)
	if found := numbers(t, raw, nil); len(found) > 0 {
		for _, n := range found {
			f.fault(append(slices.Clone(path), n.path...), n.text)
		}
		return
	}
	if bare := bareDurations(t, raw, nil); len(bare) > 0 {
		for _, found := range bare {
			value, _ := at(raw, found)
			f.fault(append(slices.Clone(path), found...), fmt.Sprintf("%v has no unit: write %vs for seconds, %vms for milliseconds", value, value, value))
		}
		return
	}
	if err := confmap.Validate(config); err != nil {
		for _, found := range validationFaults(err.Error(), raw) {
			f.fault(append(slices.Clone(path), found.path...), found.text)
		}
	}
}

func (f *finder) unknownType(section, one, name string) string {
	types := slices.Collect(maps.Keys(f.factories[section]))
	what := strings.TrimPrefix(strings.TrimPrefix(one, "an "), "a ")
	for _, k := range kinds {
		if f.factories[k.section][name] != nil {
			return fmt.Sprintf("%s is %s, not %s: write it below %s", name, k.one, one, k.section)
		}
	}
	if now := renamed[name]; now != "" && f.factories[section][now] != nil {
		return fmt.Sprintf("there is no %s %q; it is called %q now", what, name, now)
	}
	if near := didYouMean(name, types); near != "" {
		return fmt.Sprintf("there is no %s %q%s", what, name, near)
	}
	return fmt.Sprintf("there is no %s %q in this build; `%s components` lists those that there are", what, name, f.program)
}
