// Package mistakes finds mistakes in a configuration and describes them in terms of what the user wrote: the file and the line, the environment
// variable, the --set. It checks everything, while the collector stops at the first error, and reports each mistake once.
package mistakes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/otelcol"

	"github.com/penstockhq/penstock/internal/command/internal/sources"
)

// Report is the result of a check.
type Report struct {
	// Errors prevent the collector from starting, Warnings do not. Each is one line.
	Errors, Warnings []string
	// Silent are the warnings that no component reports when it starts: a start must report them itself.
	Silent []string
	// Checked describes in a few lines the parts of a configuration without errors.
	Checked string

	finder *finder
}

// Err joins the errors; nil when there are none.
func (r Report) Err() error {
	switch len(r.Errors) {
	case 0:
		return nil
	case 1:
		return errors.New(r.Errors[0])
	}
	return fmt.Errorf("%d mistakes in the configuration:\n  %s", len(r.Errors), strings.Join(r.Errors, "\n  "))
}

type finder struct {
	reader     *sources.Reader
	factories  factories
	program    string
	whole      map[string]any // merged, references replaced
	unexpanded map[string]any
	profile    map[string]any // the profile's part alone; nil without a profile

	needed   map[string][][]string // extensions that components name, with their paths
	listens  []listener
	wrong    map[string]string // variables with an invalid value
	faulty   map[string]bool   // components and pipelines that have a fault, by their keys
	faults   []string
	warnings []string
	silent   []string // of the warnings
}

// Find checks the configuration at uris. set is the collector's setup; reader wraps its providers.
func Find(ctx context.Context, set otelcol.CollectorSettings, reader *sources.Reader, uris []string) (Report, error) {
	all, err := set.Factories()
	if err != nil {
		return Report{}, err
	}
	f := &finder{reader: reader, faulty: map[string]bool{}, needed: map[string][][]string{}, factories: factoriesOf(all), program: set.BuildInfo.Command}
	conf, err := resolve(ctx, set, reader, uris)
	f.unexpanded = reader.Unexpanded()
	if err != nil {
		return Report{Errors: []string{f.unresolved(err)}}, nil
	}
	f.whole = conf.ToStringMap()
	f.profile = profileOf(reader.Sources())
	f.wrong = wrongValues(f.unexpanded, f.profile != nil)
	for _, name := range slices.Sorted(maps.Keys(f.wrong)) {
		f.faults = append(f.faults, name+": "+f.wrong[name])
	}
	f.components(conf)
	f.service()
	f.telemetry(conf, all.Telemetry)
	f.twice()
	f.extensionsNeeded()
	f.unset()
	f.unused()
	f.warnDropped()
	f.warnings = append(f.warnings, unknownVariables(os.Environ(), f.unexpanded)...)
	return Report{Errors: once(f.faults), Warnings: once(f.warnings), Silent: once(f.silent), Checked: f.checked(), finder: f}, nil
}

func resolve(ctx context.Context, set otelcol.CollectorSettings, reader *sources.Reader, uris []string) (conf *confmap.Conf, err error) {
	reader.Restart()
	settings := set.ConfigProviderSettings.ResolverSettings
	settings.URIs = uris
	if settings.DefaultScheme == "" {
		settings.DefaultScheme = "env"
	}
	resolver, err := confmap.NewResolver(settings)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resolver.Shutdown(ctx)) }()
	return resolver.Resolve(ctx)
}

// profileOf returns the content of the profiles at the beginning of the sources.
func profileOf(all []sources.Source) map[string]any {
	merged := confmap.New()
	n := 0
	for ; n < len(all) && all[n].Profile(); n++ {
		if err := merged.Merge(confmap.NewFromStringMap(all[n].Conf)); err != nil {
			return nil
		}
	}
	if n == 0 {
		return nil
	}
	return merged.ToStringMap()
}

// fault records a mistake at path, in terms of the variable or the file that the value comes from.
func (f *finder) fault(path []string, text string) {
	component := owner(path)
	f.faulty[joined(component)] = true
	for name := range f.wrong {
		if value := os.Getenv(name); value != "" && strings.Contains(text, value) && f.refers(component, name) {
			return // The variable's own message reports it.
		}
	}
	if name := variableOf(f.unexpanded, component, path, text); name != "" {
		if f.wrong[name] != "" {
			return // already reported
		}
		if os.Getenv(name) != "" {
			f.faults = append(f.faults, fmt.Sprintf("%s (%s): %s", name, joined(component), afterKey(text)))
			f.wrong[name] = text
			return
		}
		text += fmt.Sprintf(" (its value comes from %s, which is not set)", name)
	}
	f.faults = append(f.faults, f.line(path, text))
}

// owner returns the beginning of path that belongs to a component or a pipeline.
func owner(path []string) []string {
	if len(path) > 2 && path[1] == "pipelines" {
		return path[:3]
	}
	return path[:min(2, len(path))]
}

// joined formats a path as the collector does.
func joined(path []string) string { return strings.Join(path, confmap.KeyDelimiter) }

// refers reports whether the configuration of a component has a reference to the variable.
func (f *finder) refers(component []string, name string) bool {
	below, _ := at(f.unexpanded, component)
	return referenced(below)[name]
}

// afterKey drops the key at the beginning of a message that is about a variable: endpoint: "x" is not a URL.
func afterKey(text string) string {
	if key, rest, ok := strings.Cut(text, ": "); ok && !strings.ContainsAny(key, ` "`) {
		return rest
	}
	return text
}

func (f *finder) warn(path []string, text string) {
	f.warnings = append(f.warnings, f.line(path, text))
}

// line describes the place of a value, by file and key.
func (f *finder) line(path []string, text string) string {
	key := joined(path)
	if place, _, ok := f.reader.Place(path); ok {
		if place.Name == "--set "+key {
			return fmt.Sprintf("%s: %s", place, text)
		}
		return fmt.Sprintf("%s: %s: %s", place, key, text)
	}
	return fmt.Sprintf("%s: %s", key, text)
}

// once drops lines with the same message about the same component: a component reports some faults under two keys.
func once(lines []string) (out []string) {
	for _, line := range lines {
		if !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// checked lists what was read.
func (f *finder) checked() string {
	var names, parts []string
	for _, s := range f.reader.Sources() {
		names = append(names, s.Name())
	}
	for _, k := range kinds {
		n := len(mapAt(f.whole, []string{k.section}))
		if n > 0 {
			parts = append(parts, count(n, strings.TrimSuffix(k.section, "s")))
		}
	}
	text := fmt.Sprintf("The configuration is valid: %s.\nChecked: %s in %s (%s).\nNot checked: whether ports are free, directories writable and servers reachable; a start does that.",
		strings.Join(slices.Compact(names), ", "), strings.Join(parts, ", "), count(len(mapAt(f.whole, pipelines)), "pipeline"),
		strings.Join(slices.Sorted(maps.Keys(mapAt(f.whole, pipelines))), ", "))
	var set []string
	for _, name := range slices.Sorted(maps.Keys(referenced(f.unexpanded))) {
		if _, ok := os.LookupEnv(name); ok {
			set = append(set, name)
		}
	}
	if len(set) > 0 {
		text += "\nVariables in use: " + strings.Join(set, ", ") + "."
	}
	return text
}
