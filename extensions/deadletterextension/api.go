package deadletterextension

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/dispatch"
	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/letters"
	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/parts"
	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
)

// maxListed is how many dead letters one answer lists.
const maxListed = 200

// A dead letter mixes the items of all tenants that one request had, so its routes are the operator's.
var (
	needList   = admin.Need{Operator: true, Scopes: []string{access.Read}}
	needRead   = admin.Need{Operator: true, Scopes: []string{access.Read}, Personal: true} // a pipeline without a scrubber has what it has
	needSend   = admin.Need{Operator: true, Scopes: []string{access.Replay}}
	needRemove = admin.Need{Operator: true, Scopes: []string{access.Erase}}
)

// mount shows the API on the admin extension, where there is one.
func (d *deadLetter) mount(host component.Host) (unmount func()) {
	mux := &admin.Mux{}
	mux.HandleFunc("GET /{$}", needList, admin.Moved(d.id, "deadletters"))
	mux.HandleFunc("GET /v1/letters", needList, d.serveList)
	mux.HandleFunc("GET /v1/letters/{name}", needRead, d.serveLetter)
	mux.HandleFunc("POST /v1/letters/{name}/send", needSend, d.serveSend)
	mux.HandleFunc("DELETE /v1/letters/{name}", needRemove, admin.Authorized(admin.FindAuthorizer(host), access.Erase, d.serveRemove))
	return admin.Mount(host, d.id, "Dead letters, as JSON", mux, d.set.Logger)
}

// listedLetter is one dead letter of the answer.
type listedLetter struct {
	Name   string    `json:"name"`
	Time   time.Time `json:"time"` // when it was stored
	Signal string    `json:"signal"`
	Items  int       `json:"items"`
	Reason string    `json:"reason"`
	Bytes  int64     `json:"bytes"`
}

// serveList lists the newest dead letters, newest first.
func (d *deadLetter) serveList(w http.ResponseWriter, _ *http.Request) {
	all := d.box.List()
	listed := make([]listedLetter, 0, min(len(all), maxListed))
	for _, s := range slices.Backward(all) {
		if len(listed) == maxListed {
			break
		}
		listed = append(listed, listedLetter{s.Name, s.Time, s.Signal, s.Items, s.Reason, s.Bytes})
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]any{"letters": listed, "count": len(all), "bytes": d.box.Size(), "max_bytes": d.cfg.MaxSize}) // the client has gone: nobody to tell
}

// find returns the dead letter of the request and its bytes; ok is false if it was answered already. Only names that the box lists are read.
func (d *deadLetter) find(w http.ResponseWriter, r *http.Request) (l letters.DeadLetter, name string, body []byte, ok bool) {
	name = r.PathValue("name")
	all := d.box.List()
	i := slices.IndexFunc(all, func(s letters.Stored) bool { return s.Name == name })
	if i < 0 {
		http.Error(w, "there is no dead letter of that name", http.StatusNotFound)
		return l, name, nil, false
	}
	body, err := d.box.Read(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.Error(w, "the dead letter of that name no longer exists", http.StatusNotFound)
		return l, name, nil, false
	case err != nil:
		http.Error(w, "the dead letter can't be read: "+err.Error(), http.StatusInternalServerError)
		return l, name, nil, false
	}
	return all[i].DeadLetter, name, body, true
}

// serveLetter answers with the export request, as an OTLP/HTTP server takes it.
func (d *deadLetter) serveLetter(w http.ResponseWriter, r *http.Request) {
	_, name, body, ok := d.find(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // the client has gone: nobody to tell
}

// serveSend sends a dead letter once to the server that its signal goes to, and removes it if the server accepts it.
func (d *deadLetter) serveSend(w http.ResponseWriter, r *http.Request) {
	l, name, body, ok := d.find(w, r)
	if !ok {
		return
	}
	post, err := d.postOf(parts.Signal(l.Signal))
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), sendTimeout) // who goes away does not leave it half sent
	defer cancel()
	if a := post(ctx, body); a.Err != nil {
		http.Error(w, "the server does not accept it: "+a.Err.Error(), http.StatusBadGateway)
		return
	}
	d.removed(w, name)
}

// postOf returns how requests of the signal are sent. There must be one server that exporters have sent it to.
func (d *deadLetter) postOf(signal parts.Signal) (post dispatch.Post, err error) {
	for _, l := range d.all() {
		if l.signal != signal {
			continue
		}
		l.mu.Lock()
		one := l.post
		l.mu.Unlock()
		if one == nil {
			continue
		}
		if post != nil {
			return nil, fmt.Errorf("%s go to several servers, and the dead letter does not name one: send its file with curl", signal)
		}
		post = one
	}
	if post == nil {
		return nil, fmt.Errorf("no exporter has sent %s since the start, so the server is not known: send its file with curl", signal)
	}
	return post, nil
}

// serveRemove deletes a dead letter for good.
func (d *deadLetter) serveRemove(w http.ResponseWriter, r *http.Request) {
	if _, name, _, ok := d.find(w, r); ok {
		d.removed(w, name)
	}
}

func (d *deadLetter) removed(w http.ResponseWriter, name string) {
	if err := d.box.Remove(name); err != nil {
		http.Error(w, "it can't be removed: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
