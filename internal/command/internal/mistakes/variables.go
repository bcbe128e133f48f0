package mistakes

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/penstockhq/penstock/internal/variables"
)

// reference begins an environment variable in the text of a configuration: ${env:NAME}, ${env:NAME:-default} or ${NAME}. A default can
// hold another.
var reference = regexp.MustCompile(`\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-|\})`)

// references lists the names of the variables in text.
func references(text string) (names []string) {
	for _, m := range reference.FindAllStringSubmatch(strings.ReplaceAll(text, "$$", ""), -1) {
		names = append(names, m[1])
	}
	return names
}

// referenced is the set of variables in all texts of conf.
func referenced(conf any) map[string]bool {
	names := map[string]bool{}
	leaves(conf, nil, func(_ []string, leaf string) {
		for _, name := range references(leaf) {
			names[name] = true
		}
	})
	return names
}

// decides returns the variable that decides text's value: the first that is set, or the first one, whose default applies.
func decides(text string) string {
	names := references(text)
	for _, name := range names {
		if os.Getenv(name) != "" {
			return name
		}
	}
	if len(names) > 0 {
		return names[0]
	}
	return ""
}

// variableOf returns the variable whose value text is about: the one at path in the configuration before references were replaced, or the one below
// component whose value text quotes. Empty if there is none.
func variableOf(unexpanded map[string]any, component, path []string, text string) string {
	if value, ok := at(unexpanded, path); ok {
		if s, isText := value.(string); isText {
			if name := decides(s); name != "" {
				return name
			}
		}
	}
	if value, _ := at(unexpanded, path); len(path) > len(component) {
		// A list or a section: its only variable, if it is set.
		if names := slices.Collect(maps.Keys(referenced(value))); len(names) == 1 && os.Getenv(names[0]) != "" {
			return names[0]
		}
	}
	below, _ := at(unexpanded, component)
	found := ""
	leaves(below, nil, func(_ []string, leaf string) {
		for _, name := range references(leaf) {
			if value := os.Getenv(name); value != "" && strings.Contains(text, `"`+value+`"`) && (found == "" || name < found) {
				found = name
			}
		}
	})
	return found
}

// unset warns of a variable in the user's own files and --set that is not set and has no default: its value is empty then.
func (f *finder) unset() {
	leaves(f.unexpanded, nil, func(path []string, leaf string) {
		if !f.reader.Wrote(path) || f.faulty[joined(owner(path))] {
			return
		}
		for _, m := range reference.FindAllStringSubmatch(strings.ReplaceAll(leaf, "$$", ""), -1) {
			if _, set := os.LookupEnv(m[1]); !set && !strings.HasSuffix(m[0], ":-") {
				f.warn(path, fmt.Sprintf("%s is not set, so the value is empty: set it, or write a default, as in ${env:%s:-value}", m[1], m[1]))
			}
		}
	})
	slices.Sort(f.warnings)
}

// wrongValues returns the variables in the configuration whose values have an invalid form.
func wrongValues(unexpanded map[string]any, profile bool) map[string]string {
	used := referenced(unexpanded)
	wrong := map[string]string{}
	for _, v := range variables.All {
		value, set := os.LookupEnv(v.Name)
		switch {
		case !set || v.Form == variables.Text:
		case !used[v.Name] && (v.Form != variables.Origins || !profile): // A profile reads the origins itself.
		case value == "":
			wrong[v.Name] = "it is set to an empty value; unset it to use the default, or give it a value such as " + v.Example
		default:
			if err := v.Check(value); err != nil {
				wrong[v.Name] = err.Error()
				if strings.HasPrefix(value, "tcp://") {
					wrong[v.Name] += ". Kubernetes sets it for a Service of that name: set enableServiceLinks: false in the pod"
				}
			}
		}
	}
	return wrong
}

// injected are the variables that Kubernetes creates for each Service of a namespace, so also for one that is called penstock-something.
var injected = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_.*)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)

// unknownVariables lists the variables of environ that begin with our prefix and that nothing reads.
func unknownVariables(environ []string, unexpanded map[string]any) (warnings []string) {
	used := referenced(unexpanded)
	var names []string
	for _, v := range variables.All {
		names = append(names, v.Name)
	}
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, variables.Prefix) || variables.Known(name) || used[name] || injected.MatchString(name) {
			continue
		}
		warnings = append(warnings, name+": nothing reads this variable"+didYouMean(name, names))
	}
	return warnings
}
