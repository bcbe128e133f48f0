package mistakes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// safeguards are the components whose absence should be noticed, with their purpose.
var safeguards = map[string]string{
	"pii_scrubber":            "redacts personal data and secrets",
	"cardinality_guard":       "bounds the number of series",
	"memory_limiter":          "bounds the memory",
	"kafka_replay":            "writes the journal",
	"window_rollup":           "rolls up",
	"quota":                   "holds tenants and keys to their quotas",
	"nesting_limit":           "keeps a hostile request from ending the process",
	"cross_origin_protection": "keeps web pages of other sites out",
	"retry_hint":              "tells refused clients when to retry",
	"outage_watch":            "reports a server that does not answer",
	"admin":                   "serves pages and API",
	"health_check":            "answers probes",
}

func typeOf(id string) string { t, _, _ := strings.Cut(id, "/"); return t }

// warnDropped warns of parts of the profile that are missing in the whole configuration because a list in the user's own file replaces the profile's.
func (f *finder) warnDropped() {
	if f.profile == nil {
		return
	}
	f.missing([]string{"service", "extensions"}, func(string) bool { return true })
	for id := range mapAt(f.profile, pipelines) {
		if _, still := at(f.whole, append(slices.Clone(pipelines), id)); still {
			f.missing(append(slices.Clone(pipelines), id, "processors"), func(name string) bool { return safeguards[typeOf(name)] != "" })
		}
	}
	f.middlewares(f.profile, nil)
	f.unscrubbed()
}

// missing warns of each important name in the profile's list at path that the whole configuration's list lacks.
func (f *finder) missing(path []string, matters func(string) bool) {
	before, _ := at(f.profile, path)
	after, _ := at(f.whole, path)
	was, _ := before.([]any)
	is, _ := after.([]any)
	var names, gone []string
	for _, name := range was {
		id := fmt.Sprint(name)
		names = append(names, id)
		if !slices.Contains(is, name) && matters(id) {
			gone = append(gone, id)
		}
	}
	f.replaced(path, gone, names)
}

// replaced warns that the user's own list has removed names from the profile's list at path.
func (f *finder) replaced(path, gone, names []string) {
	if len(gone) == 0 || f.faulty[joined(owner(path))] {
		return // A section with another mistake may be meant differently.
	}
	what := make([]string, len(gone))
	for i, id := range gone {
		what[i] = id
		if text := safeguards[typeOf(id)]; text != "" {
			what[i] += " (" + text + ")"
		}
	}
	f.warn(path, fmt.Sprintf("this list replaces the profile's and lacks %s. The profile has [%s]: repeat these and add yours",
		strings.Join(what, ", "), strings.Join(names, ", ")))
}

// middlewares warns of middlewares that a listener of the profile has lost.
func (f *finder) middlewares(node any, path []string) {
	m, ok := node.(map[string]any)
	if !ok {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		next := append(slices.Clone(path), key)
		list, isList := m[key].([]any)
		if key != "middlewares" || !isList {
			f.middlewares(m[key], next)
			continue
		}
		if _, still := at(f.whole, path); !still {
			continue
		}
		after, _ := at(f.whole, next)
		left := ids(after)
		gone := slices.DeleteFunc(ids(list), func(id string) bool { return slices.Contains(left, id) })
		f.replaced(next, gone, ids(list))
	}
}

// ids lists the ids of middlewares: [{id: a}, {id: b}].
func ids(list any) (out []string) {
	entries, _ := list.([]any)
	for _, e := range entries {
		if m, ok := e.(map[string]any); ok {
			out = append(out, fmt.Sprint(m["id"]))
		}
	}
	return out
}

// unscrubbed warns of the user's own pipeline that receives from outside and has no scrubber, while the profile's pipelines have one.
func (f *finder) unscrubbed() {
	if !uses(f.profile, "processors", "pii_scrubber") {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(mapAt(f.whole, pipelines))) {
		path := append(slices.Clone(pipelines), id)
		if _, ofProfile := at(f.profile, path); ofProfile || f.faulty[joined(path)] {
			continue
		}
		processors, _ := at(f.whole, append(slices.Clone(path), "processors"))
		receivers, _ := at(f.whole, append(slices.Clone(path), "receivers"))
		list, _ := processors.([]any)
		if slices.ContainsFunc(list, func(name any) bool { return typeOf(fmt.Sprint(name)) == "pii_scrubber" }) {
			continue
		}
		all, _ := receivers.([]any)
		for _, name := range all {
			receiver := fmt.Sprint(name)
			if has(mapAt(f.whole, []string{"connectors"}), receiver) || typeOf(receiver) == "kafka_replay" {
				continue // It passes on data that an earlier pipeline has scrubbed.
			}
			f.warn(path, fmt.Sprintf("what %s receives is not scrubbed here: put pii_scrubber into processors, as the profile's pipelines do", receiver))
		}
	}
}

func mapAt(conf map[string]any, path []string) map[string]any {
	value, _ := at(conf, path)
	m, _ := value.(map[string]any)
	return m
}

// uses reports whether a pipeline names a component of the type in the role.
func uses(conf map[string]any, role, kind string) bool {
	return used(conf, role, func(name string) bool { return typeOf(name) == kind }) != ""
}

// used returns the first name in a role of the pipelines, or in service::extensions, that ok accepts; empty if there is none.
func used(conf map[string]any, role string, ok func(string) bool) string {
	lists := []any{}
	if role == "extensions" {
		list, _ := at(conf, []string{"service", "extensions"})
		lists = append(lists, list)
	}
	all := mapAt(conf, pipelines)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		p, _ := all[id].(map[string]any)
		lists = append(lists, p[role])
	}
	for _, list := range lists {
		names, _ := list.([]any)
		for _, name := range names {
			if ok(fmt.Sprint(name)) {
				return fmt.Sprint(name)
			}
		}
	}
	return ""
}

// unused looks for components that the user configures and nothing uses. If the profile has one of the same type it is a mistake, because the user
// means the profile's. Otherwise it is a warning.
func (f *finder) unused() {
	for _, k := range kinds {
		for _, id := range slices.Sorted(maps.Keys(mapAt(f.whole, []string{k.section}))) {
			path := []string{k.section, id}
			if !f.reader.Wrote(path) || f.isUsed(k.section, id) || f.faulty[joined(path)] {
				continue
			}
			if other := used(f.profile, k.section, func(name string) bool { return typeOf(name) == typeOf(id) }); other != "" && f.profile != nil {
				f.fault(path, fmt.Sprintf("nothing uses it: the profile's is called %s, so write %s: {%s: ...}", other, k.section, other))
				continue
			}
			where := "no pipeline names it"
			if k.section == "extensions" {
				where = "service::extensions does not name it"
			}
			f.warn(path, "nothing uses it: "+where)
		}
	}
}

func (f *finder) isUsed(section, id string) bool {
	is := func(name string) bool { return name == id }
	if section == "connectors" {
		return used(f.whole, "receivers", is) != "" || used(f.whole, "exporters", is) != ""
	}
	return used(f.whole, section, is) != ""
}
