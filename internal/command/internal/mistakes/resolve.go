package mistakes

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/penstockhq/penstock/internal/command/internal/sources"
)

var (
	noScheme  = regexp.MustCompile(`scheme "([^"]*)" is not supported for uri "([^"]*)"`)
	noSource  = regexp.MustCompile(`unsupported scheme on URI "([^"]*)"`)
	badName   = regexp.MustCompile(`environment variable "([^"]*)" has invalid name`)
	noProfile = regexp.MustCompile(`there is no profile "([^"]*)"; the profiles are (.*)$`)
	schemes   = []string{"env", "file", "http", "https", "profile", "yaml"}
)

// unresolved translates an error that occurred before there was a configuration.
func (f *finder) unresolved(err error) string {
	var whole *sources.Error
	var path *fs.PathError
	text := strings.TrimPrefix(err.Error(), "cannot retrieve the configuration: ")
	switch {
	case errors.As(err, &whole):
		return whole.Error()
	case badName.MatchString(text):
		name := badName.FindStringSubmatch(text)[1]
		says := fmt.Sprintf("${env:%s}: %q is not a variable's name (letters, digits and _)", name, name)
		if before, after, ok := strings.Cut(name, ":"); ok {
			says += fmt.Sprintf("; a default follows :-, as in ${env:%s:-%s}", before, strings.TrimPrefix(after, "-"))
		}
		return f.whereIs(says, "${env:"+name, "${"+name)
	case errors.As(err, &path) && f.quotes("${file:"+path.Path):
		return f.whereIs(fmt.Sprintf("${file:%s}: cannot read the file: %s", path.Path, path.Err), "${file:"+path.Path)
	case errors.As(err, &path):
		return fmt.Sprintf("--config %s: cannot read the file: %s", path.Path, path.Err)
	case noProfile.MatchString(text):
		m := noProfile.FindStringSubmatch(text)
		names := strings.Split(m[2], ", ")
		return fmt.Sprintf("--config profile:%s: there is no profile %q%s", m[1], m[1], orList(didYouMean(m[1], names), names))
	case noSource.MatchString(text):
		uri := noSource.FindStringSubmatch(text)[1]
		scheme, _, _ := strings.Cut(uri, ":")
		return fmt.Sprintf("--config %s: there is no source called %q%s", uri, scheme, orList(didYouMean(scheme, schemes), schemes))
	case noScheme.MatchString(text):
		m := noScheme.FindStringSubmatch(text)
		return f.whereIs(fmt.Sprintf("${%s}: there is no source called %q%s", m[2], m[1], orList(didYouMean(m[1], schemes), schemes)), "${"+m[2])
	}
	return text
}

// whereIs prepends to a message the place where the configuration has one of the texts.
func (f *finder) whereIs(says string, texts ...string) string {
	for _, text := range texts {
		if path := f.find(text); path != nil {
			return f.line(path, says)
		}
	}
	return says
}

func (f *finder) quotes(text string) bool { return f.find(text) != nil }

// find returns the path of the first value, in order, that has the text; nil if there is none.
func (f *finder) find(text string) (found []string) {
	leaves(f.unexpanded, nil, func(path []string, leaf string) {
		if strings.Contains(leaf, text) && (found == nil || joined(path) < joined(found)) {
			found = slices.Clone(path)
		}
	})
	return found
}
