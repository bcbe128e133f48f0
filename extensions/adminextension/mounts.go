package adminextension

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	adminapi "github.com/penstockhq/penstock/internal/admin"
)

var errNilHandler = errors.New("handler must not be nil")

// apiPrefix is the prefix of the ids of APIs.
const apiPrefix = "v1/"

// mount is one registered page or API.
type mount struct {
	id      string
	title   string
	handler http.Handler
	ctx     context.Context // canceled when the mount is removed; only ever linked to the contexts of its requests
	cancel  context.CancelFunc
}

// mounts maps ids to handlers. The zero value is empty and ready; all methods are safe for concurrent use.
type mounts struct {
	mu   sync.RWMutex
	byID map[string]*mount // guarded by mu
}

// add registers h under id. remove removes it, cancels the contexts of its requests in flight without waiting for them, and may be called
// repeatedly, also after the id was given to another handler.
func (m *mounts) add(id, title string, h http.Handler) (remove func(), err error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if h == nil {
		return nil, fmt.Errorf("mount %q: %w", id, errNilHandler)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.byID[id]; taken {
		return nil, fmt.Errorf("mount %q: the id is already used", id)
	}
	if m.byID == nil {
		m.byID = make(map[string]*mount)
	}
	ctx, cancel := context.WithCancel(context.Background())
	added := &mount{id: id, title: title, handler: h, ctx: ctx, cancel: cancel}
	m.byID[id] = added
	return func() { m.remove(added) }, nil
}

func (m *mounts) remove(old *mount) {
	old.cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID[old.id] == old {
		delete(m.byID, old.id)
	}
}

// list returns the mounts in order of their ids.
func (m *mounts) list() []*mount {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := make([]*mount, 0, len(m.byID))
	for _, one := range m.byID {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *mount) int { return cmp.Compare(a.id, b.id) })
	return all
}

// find returns the mount with the longest id that path (decoded, with its leading slash) starts with, whole segments only.
func (m *mounts) find(path string) (*mount, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for id := strings.TrimPrefix(path, "/"); id != ""; {
		if found, ok := m.byID[id]; ok {
			return found, true
		}
		cut := strings.LastIndexByte(id, '/')
		if cut < 0 {
			break
		}
		id = id[:cut]
	}
	return nil, false
}

// serve removes the mount's prefix from r's URL, and passes r with the needs of its route to the door and then to the handler.
func (m *mount) serve(w http.ResponseWriter, r *http.Request, door func(w http.ResponseWriter, r *http.Request, path string, need adminapi.Need, h http.Handler)) {
	prefix := url.URL{Path: "/" + m.id}
	rest := strings.TrimPrefix(r.URL.Path, prefix.Path)
	if rest == "" && strings.HasPrefix(m.id, apiPrefix) {
		rest = "/" // Programs do not follow redirects, and have no relative links.
	}
	if rest == "" {
		// Without the slash, the page's relative links would miss the prefix.
		target := url.URL{Path: prefix.Path + "/", RawQuery: r.URL.RawQuery}
		http.Redirect(w, r, target.String(), http.StatusPermanentRedirect)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(m.ctx, cancel)()

	stripped := r.WithContext(ctx)
	location := *r.URL // the caller's URL stays unchanged
	stripped.URL = &location
	stripped.URL.Path, stripped.URL.RawPath = rest, ""
	if raw, ok := strings.CutPrefix(r.URL.RawPath, prefix.EscapedPath()); ok {
		stripped.URL.RawPath = raw
	}
	door(w, stripped, r.URL.Path, m.needOf(stripped), m.handler)
}

// checkID accepts text that can be part of a URL path unescaped: the text of a component ID.
func checkID(id string) error {
	if id == "" {
		return errors.New("mount: the id must not be empty")
	}
	for segment := range strings.SplitSeq(id, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return fmt.Errorf("mount %q: the id must consist of non-empty path segments other than . and ..", id)
		}
	}
	return nil
}
