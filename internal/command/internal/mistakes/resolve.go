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
	noProfile = regexp.MustCompile(`there is no profile "([^"]*)"; the profiles are (.*)$`)
	schemes   = []string{"env", "file", "http", "https", "profile", "yaml"}
)

// unresolved translates an error from before there was a configuration.
func (f *finder) unresolved(err error) string {
	var whole *sources.Error
	var path *fs.PathError
	text := strings.TrimPrefix(err.Error(), "cannot retrieve the configuration: ")
	switch {
	case errors.As(err, &whole):
		return whole.Error()
	case errors.As(err, &path):
		return fmt.Sprintf("--config %s: cannot read the file: %s", path.Path, path.Err)
	case noProfile.MatchString(text):
		m := noProfile.FindStringSubmatch(text)
		names := strings.Split(m[2], ", ")
		return fmt.Sprintf("--config profile:%s: there is no profile %q%s", m[1], m[1], orList(didYouMean(m[1], names), names))
	case noSource.MatchString(text):
		uri := noSource.FindStringSubmatch(text)[1]
		scheme, _, _ := strings.Cut(uri, ":")
		return fmt.Sprintf("--config %s: there is no kind of source %q%s", uri, scheme, orList(didYouMean(scheme, schemes), schemes))
	case noScheme.MatchString(text):
		m := noScheme.FindStringSubmatch(text)
		where := []string(nil)
		leaves(f.unexpanded, nil, func(path []string, leaf string) {
			if where == nil && strings.Contains(leaf, "${"+m[2]) {
				where = slices.Clone(path)
			}
		})
		says := fmt.Sprintf("${%s}: there is no kind of source %q%s", m[2], m[1], orList(didYouMean(m[1], schemes), schemes))
		if where != nil {
			return f.line(where, says)
		}
		return says
	}
	return text
}
