package mistakes

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/service/telemetry"
)

var (
	sections  = []string{"connectors", "exporters", "extensions", "processors", "receivers", "service"}
	signals   = []string{"logs", "metrics", "profiles", "traces"}
	pipelines = []string{"service", "pipelines"}
)

// service checks that sections and pipelines are valid, and that each name in a pipeline exists.
func (f *finder) service() {
	for _, key := range slices.Sorted(maps.Keys(f.whole)) {
		if !slices.Contains(sections, key) {
			near := didYouMean(key, sections)
			if strings.Contains(key, ":") && !strings.Contains(key, "::") && !strings.Contains(key, " ") {
				near = fmt.Sprintf("; did you mean %q?", strings.ReplaceAll(key, ":", "::"))
			}
			f.fault([]string{key}, "there is no such section"+orList(near, sections))
		}
	}
	f.serviceKeys()
	all, has := at(f.whole, pipelines)
	if m, ok := all.(map[string]any); ok {
		for _, id := range slices.Sorted(maps.Keys(m)) {
			f.pipeline(id, m[id])
		}
	} else if has && all != nil {
		f.fault(pipelines, "want a mapping of pipelines, got "+shown(all, ""))
	}
	if extensions, ok := f.names([]string{"service", "extensions"}); ok {
		for i, name := range extensions {
			f.exists([]string{"service", "extensions", fmt.Sprint(i)}, "extension", name, "extensions")
		}
	}
}

// serviceKeys checks the section service without its pipelines.
func (f *finder) serviceKeys() {
	known := []string{"extensions", "pipelines", "telemetry"}
	for _, key := range slices.Sorted(maps.Keys(mapAt(f.whole, []string{"service"}))) {
		if !slices.Contains(known, key) {
			f.fault([]string{"service", key}, "there is no such setting"+orList(didYouMean(key, known), known))
		}
	}
	all, _ := at(f.whole, pipelines)
	if m, isMap := all.(map[string]any); all == nil || isMap && len(m) == 0 {
		f.fault(pipelines, "there are no pipelines, so nothing would run. A profile has them: put --config profile:standalone before --config of this file")
	}
}

// telemetry checks service::telemetry like components.
func (f *finder) telemetry(conf *confmap.Conf, factory telemetry.Factory) {
	path := []string{"service", "telemetry"}
	raw, has := at(f.whole, path)
	if !has || raw == nil || factory == nil {
		return
	}
	if _, isMap := raw.(map[string]any); !isMap {
		f.fault(path, "want logs, metrics, traces and resource, got "+shown(raw, ""))
		return
	}
	sub, err := conf.Sub(joined(path))
	if err != nil {
		f.fault(path, err.Error())
		return
	}
	config := factory.CreateDefaultConfig()
	var found []fault
	if err := sub.Unmarshal(&config); err != nil {
		found = decodingFaults(err.Error(), raw, reflect.TypeOf(config))
	} else if err := confmap.Validate(config); err != nil {
		found = validationFaults(err.Error(), raw)
	}
	for _, one := range found {
		f.fault(append(slices.Clone(path), one.path...), one.text)
	}
}

func orList(near string, all []string) string {
	if near != "" {
		return near
	}
	return "; there are " + strings.Join(all, ", ")
}

func (f *finder) pipeline(id string, conf any) {
	path := append(slices.Clone(pipelines), id)
	signal, _, _ := strings.Cut(id, "/")
	if !slices.Contains(signals, signal) {
		f.fault(path, fmt.Sprintf("there is no signal %q%s", signal, orList(didYouMean(signal, signals), signals)))
	}
	m, ok := conf.(map[string]any)
	if !ok {
		f.fault(path, "want receivers, processors and exporters, got "+shown(conf, "nothing"))
		return
	}
	known := []string{"receivers", "processors", "exporters"}
	for key := range m {
		if !slices.Contains(known, key) {
			f.fault(append(slices.Clone(path), key), "there is no such setting"+orList(didYouMean(key, known), known))
		}
	}
	for _, role := range known {
		at := append(slices.Clone(path), role)
		names, ok := f.names(at)
		if ok && len(names) == 0 && role != "processors" {
			f.fault(path, fmt.Sprintf("the pipeline has no %s, so nothing %s", role, map[string]string{"receivers": "comes in", "exporters": "goes out"}[role]))
		}
		for i, name := range names {
			where := append(slices.Clone(at), fmt.Sprint(i))
			if role == "processors" {
				f.exists(where, "processor", name, role)
			} else {
				f.exists(where, strings.TrimSuffix(role, "s"), name, role, "connectors")
			}
		}
	}
}

// names returns the list of names at path; ok is false, and a fault is recorded, if the value is not a list of names.
func (f *finder) names(path []string) (names []string, ok bool) {
	value, _ := at(f.whole, path)
	if value == nil {
		return nil, true
	}
	list, isList := value.([]any)
	if !isList {
		f.fault(path, fmt.Sprintf("want a list, as in [%s], got %s", exampleOf(value), shown(value, "")))
		return nil, false
	}
	for i, name := range list {
		s, isText := name.(string)
		if !isText {
			f.fault(append(slices.Clone(path), fmt.Sprint(i)), "want a name, got "+shown(name, "nothing"))
			s = ""
		}
		names = append(names, s)
	}
	return names, true
}

// exists records a fault if none of the sections has the component.
func (f *finder) exists(path []string, what, name string, in ...string) {
	if name == "" {
		return
	}
	var candidates []string
	for _, section := range in {
		all, isMap := f.whole[section].(map[string]any)
		if !isMap && f.whole[section] != nil {
			return // The section's own fault reports it.
		}
		if _, has := all[name]; has {
			return
		}
		candidates = append(candidates, slices.Collect(maps.Keys(all))...)
	}
	for _, k := range kinds {
		if all, _ := f.whole[k.section].(map[string]any); !slices.Contains(in, k.section) && has(all, name) {
			f.fault(path, fmt.Sprintf("%s is %s, not %s", name, k.one, map[bool]string{true: "an ", false: "a "}[strings.Contains("aeiou", what[:1])]+what))
			return
		}
	}
	text := fmt.Sprintf("there is no %s %q below %s", what, name, in[0])
	if near := didYouMean(name, candidates); near != "" {
		text += near
	} else if typed, _, _ := strings.Cut(name, "/"); f.factories[in[0]][typed] != nil {
		text += fmt.Sprintf("; add %s: {%s: }", in[0], name)
	}
	f.fault(path, text)
}

func has(m map[string]any, key string) bool { _, ok := m[key]; return ok }
