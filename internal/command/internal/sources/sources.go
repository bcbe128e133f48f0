// Package sources remembers the content of each source of a configuration: the files, profiles and --set values that the collector merges, with the
// line of each key. The collector loses that information when it merges, and error messages need it.
package sources

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"
)

const (
	fileScheme    = "file:"
	yamlScheme    = "yaml:"
	profileScheme = "profile:"
)

// Source is one of the locations on the command line, in the order in which they are merged.
type Source struct {
	// URI is the location with its scheme.
	URI string
	// Conf is its content, before references such as ${env:NAME} were replaced and without the nulls that Reader left out.
	Conf map[string]any
	root *yaml.Node // nil: not a file
}

// Name is the location in the form in which people write it.
func (s Source) Name() string {
	switch {
	case strings.HasPrefix(s.URI, fileScheme):
		return strings.TrimPrefix(s.URI, fileScheme)
	case strings.HasPrefix(s.URI, yamlScheme):
		key, _, _ := strings.Cut(strings.TrimPrefix(s.URI, yamlScheme), ": ")
		return "--set " + key
	}
	return s.URI
}

// Profile reports whether the source is a profile of the distribution, not something that the user wrote.
func (s Source) Profile() bool { return strings.HasPrefix(s.URI, profileScheme) }

// Reader sits between the collector and its providers. Safe for concurrent use.
type Reader struct {
	uris func() []string

	mu      sync.Mutex
	next    int      // guarded by mu: index in uris of the next source to retrieve
	sources []Source // guarded by mu
	merged  *confmap.Conf
}

// NewReader returns a reader for the locations that uris lists, once the command line is parsed. The scheme file may be missing.
func NewReader(uris func() []string) *Reader { return &Reader{uris: uris} }

// Wrap returns factories of providers that report to the reader what they retrieve.
func (r *Reader) Wrap(factories []confmap.ProviderFactory) []confmap.ProviderFactory {
	wrapped := make([]confmap.ProviderFactory, len(factories))
	for i, f := range factories {
		wrapped[i] = confmap.NewProviderFactory(func(set confmap.ProviderSettings) confmap.Provider {
			return provider{f.Create(set), r}
		})
	}
	return wrapped
}

// Sources returns the sources of the last resolution.
func (r *Reader) Sources() []Source {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sources)
}

// Unexpanded returns the merged configuration with its references such as ${env:NAME}.
func (r *Reader) Unexpanded() map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.merged == nil {
		return nil
	}
	return r.merged.ToStringMap()
}

type provider struct {
	confmap.Provider
	reader *Reader
}

func (p provider) Retrieve(ctx context.Context, uri string, watcher confmap.WatcherFunc) (*confmap.Retrieved, error) {
	got, err := p.Provider.Retrieve(ctx, uri, watcher)
	if err != nil || !p.reader.begins(uri) {
		return got, err
	}
	return p.reader.add(uri, got)
}

// begins reports whether uri is a source, and not a reference inside of one: a resolver retrieves all sources first, in order. A later resolution
// begins with the first source again.
func (r *Reader) begins(uri string) bool {
	all := r.uris()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next >= len(all) && len(all) > 0 && uri == WithScheme(all[0]) {
		r.next = 0
	}
	if r.next >= len(all) || uri != WithScheme(all[r.next]) {
		return false
	}
	if r.next == 0 {
		r.sources, r.merged = nil, confmap.New()
	}
	r.next++
	return true
}

// Restart forgets an unfinished resolution.
func (r *Reader) Restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = 0
}

// add remembers a source, and returns it without the nulls that would delete a section of earlier sources: over a mapping, a key without a value
// means that the user has nothing to add, as in a standalone configuration.
func (r *Reader) add(uri string, got *confmap.Retrieved) (*confmap.Retrieved, error) {
	s := Source{URI: uri}
	if err := s.parse(); err != nil {
		return nil, err
	}
	conf, err := got.AsConf()
	if text, isText := strings.CutPrefix(s.URI, yamlScheme); isText && err != nil {
		var value yaml.Node
		if err := yaml.Unmarshal([]byte(text), &value); err != nil {
			return nil, translated(s.Name(), err)
		}
	}
	if err != nil {
		return nil, &Error{Place{Name: s.Name()}, "the file has no keys: a configuration is a YAML mapping, as in `receivers: {otlp: {}}`"}
	}
	s.Conf = conf.ToStringMap()
	r.mu.Lock()
	defer r.mu.Unlock()
	keep(s.Conf, r.merged.ToStringMap())
	r.sources = append(r.sources, s)
	if err := r.merged.Merge(confmap.NewFromStringMap(clone(s.Conf))); err != nil {
		return nil, err
	}
	return confmap.NewRetrieved(s.Conf, confmap.WithRetrievedClose(got.Close))
}

// keep deletes the nulls of conf at places where before has a mapping.
func keep(conf, before map[string]any) {
	for key, value := range conf {
		old, isMap := before[key].(map[string]any)
		if !isMap {
			continue
		}
		switch value := value.(type) {
		case nil:
			delete(conf, key)
		case map[string]any:
			keep(value, old)
		}
	}
}

func clone(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if sub, ok := v.(map[string]any); ok {
			v = clone(sub)
		}
		out[k] = v
	}
	return out
}

// parse reads the lines of a file's keys.
func (s *Source) parse() error {
	path, isFile := strings.CutPrefix(s.URI, fileScheme)
	if !isFile {
		return nil
	}
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return broken(path, text, err)
	}
	if err := single(path, text); err != nil {
		return err
	}
	var values any
	if err := document.Decode(&values); err != nil {
		return broken(path, text, err) // a key twice
	}
	if len(document.Content) > 0 {
		s.root = document.Content[0]
	}
	return nil
}

// WithScheme returns uri in the form in which the collector's resolver passes it to a provider.
func WithScheme(uri string) string {
	drive := len(uri) > 1 && uri[1] == ':'
	if drive || !strings.Contains(uri, ":") {
		return fileScheme + uri
	}
	return uri
}

// Place is the position of a value in a source.
type Place struct {
	Name string // of the source
	Line int    // 0: unknown
}

func (p Place) String() string {
	if p.Line == 0 {
		return p.Name
	}
	return fmt.Sprintf("%s:%d", p.Name, p.Line)
}

// Error is a mistake of a source as a whole.
type Error struct {
	Place Place
	Text  string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Place, e.Text) }
