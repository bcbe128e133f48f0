package follow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/outage"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/audit"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/web"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/worker"
)

var (
	errNoMember   = errors.New("no member of the group has this instance id")
	errNotStatic  = errors.New("this member has no follow::instance_id and leaves its group when it stops: nothing needs to be done")
	errOwnMember  = errors.New("this instance is the member itself: use POST leave instead")
	errNotStarted = errors.New("the receiver has not started, or has stopped")
)

// Member is a member of a receiver's group in the API.
type Member struct {
	Signal     journal.Signal `json:"signal"`
	InstanceID string         `json:"instance_id,omitempty"`
	ClientID   string         `json:"client_id"`
	Host       string         `json:"host"`
	Partitions []int32        `json:"partitions"`
}

// Rosters finds the roster of a receiver that is in several pipelines. The zero value is empty and ready. It is safe for concurrent use.
type Rosters struct {
	lines  outage.Lines // shared by all receivers
	ending ending       // shared by all receivers
	mu     sync.Mutex
	all    map[*Config]*Roster // guarded by mu
}

// Of returns the roster of the receiver that cfg configures.
func (r *Rosters) Of(cfg *Config) *Roster {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[*Config]*Roster{}
	}
	if r.all[cfg] == nil {
		r.all[cfg] = &Roster{lines: &r.lines, ending: &r.ending}
	}
	return r.all[cfg]
}

// Roster is the list of one receiver's running followers, one for each pipeline, and their API on the admin extension. The API exists
// because a static member stays in its group when it stops: its permanent removal has to be requested.
type Roster struct {
	lines  *outage.Lines
	ending *ending

	mu      sync.Mutex
	running []*follower // guarded by mu
	unmount func()      // guarded by mu; set while a follower runs
}

// add adds a follower. With the first one it mounts the API on the admin extension, if there is one.
func (r *Roster) add(f *follower, host component.Host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.running) == 0 {
		r.unmount = admin.Mount(host, f.id, "Members of group "+f.cfg.Group, r.handler(), f.set.Logger)
	}
	r.running = append(r.running, f)
	r.ending.started()
}

// remove removes a follower, and the API with the last one. It may be repeated.
func (r *Roster) remove(f *follower) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.running, f)
	if i < 0 {
		return
	}
	if r.running = slices.Delete(r.running, i, i+1); len(r.running) == 0 {
		r.unmount()
	}
}

func (r *Roster) handler() http.Handler {
	operator := admin.Need{Operator: true}
	mux := &admin.Mux{}
	mux.HandleFunc("GET /{$}", operator, r.serveMembers)
	mux.HandleFunc("GET /v1/members", operator, r.serveMembers)
	mux.HandleFunc("POST /v1/leave", operator, r.serveLeave)
	mux.HandleFunc("DELETE /v1/members/{instance}", operator, r.serveRemove)
	mux.Within(func(h http.Handler) http.Handler {
		return http.TimeoutHandler(h, web.Limit, `{"error":"Kafka took too long to answer"}`)
	})
	return mux
}

// each calls do for all followers at once and joins the errors.
func (r *Roster) each(do func(*follower) error) error {
	r.mu.Lock()
	running := slices.Clone(r.running)
	r.mu.Unlock()
	if len(running) == 0 {
		return errNotStarted
	}
	errs := make([]error, len(running))
	var wg sync.WaitGroup
	for i, f := range running {
		wg.Go(func() { errs[i] = do(f) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (r *Roster) serveMembers(w http.ResponseWriter, req *http.Request) {
	var mu sync.Mutex
	all := []Member{}
	err := r.each(func(f *follower) error {
		members, err := f.members(req.Context())
		mu.Lock()
		defer mu.Unlock()
		all = append(all, members...)
		return err
	})
	if err != nil {
		answerMembers(w, err)
		return
	}
	web.Answer(w, http.StatusOK, map[string]any{"members": all})
}

// serveLeave stops following until the next start, even if the client disconnects.
func (r *Roster) serveLeave(w http.ResponseWriter, req *http.Request) {
	by := web.Caller(req)
	answerMembers(w, r.each(func(f *follower) error {
		err := f.leave(context.WithoutCancel(req.Context()))
		f.audit("leave", f.cfg.InstanceID, by, err)
		return err
	}))
}

// serveRemove removes a dead member from the group. A living one rejoins automatically.
func (r *Roster) serveRemove(w http.ResponseWriter, req *http.Request) {
	instance, by := req.PathValue("instance"), web.Caller(req)
	found := false
	var mu sync.Mutex
	err := r.each(func(f *follower) error {
		err := errOwnMember
		if instance != f.cfg.InstanceID {
			err = f.remove(req.Context(), instance)
		}
		f.audit("remove", instance, by, err)
		mu.Lock()
		defer mu.Unlock()
		found = found || err == nil
		if errors.Is(err, errNoMember) { // It may have been in the group of another signal.
			err = nil
		}
		return err
	})
	if err == nil && !found {
		err = errNoMember
	}
	answerMembers(w, err)
}

func answerMembers(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
		return
	case errors.Is(err, errNotStatic), errors.Is(err, errOwnMember):
		status = http.StatusConflict
	case errors.Is(err, errNoMember):
		status = http.StatusNotFound
	case errors.Is(err, errNotStarted):
		status = http.StatusServiceUnavailable
	}
	web.Answer(w, status, map[string]string{"error": err.Error()})
}

func (f *follower) audit(action, instance, by string, err error) {
	audit.Write(f.set.Logger, "group member", action, by, err, zap.String("group", f.groupName()), zap.String("instance_id", instance))
}

// leave stops following as Shutdown does, and then removes the static member from the group, so that its partitions move at once. It may
// be repeated.
func (f *follower) leave(ctx context.Context) error {
	if f.cfg.InstanceID == "" {
		return errNotStatic
	}
	f.quit(worker.HandOver)
	err := f.remove(ctx, f.cfg.InstanceID)
	if errors.Is(err, errNoMember) {
		return nil
	}
	return err
}

// remove removes a static member from the group.
func (f *follower) remove(ctx context.Context, instance string) error {
	ctx, cancel := context.WithTimeout(ctx, worker.AskTimeout)
	defer cancel()
	left, err := kadm.NewClient(f.admin).LeaveGroup(ctx, kadm.LeaveGroup(f.groupName()).InstanceIDs(instance).Reason("removed through the admin API"))
	if err == nil {
		err = left.Error()
	}
	switch {
	case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.GroupIDNotFound):
		return errNoMember
	case err != nil:
		return fmt.Errorf("remove %s from group %s: %w", instance, f.groupName(), err)
	}
	return nil
}

// members lists the group's members.
func (f *follower) members(ctx context.Context) ([]Member, error) {
	ctx, cancel := context.WithTimeout(ctx, worker.AskTimeout)
	defer cancel()
	described, err := kadm.NewClient(f.admin).DescribeGroups(ctx, f.groupName())
	if err == nil {
		err = described.Error()
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe group %s: %w", f.groupName(), err)
	}
	var all []Member
	for _, m := range described[f.groupName()].Members {
		member := Member{Signal: f.entry.Signal(), ClientID: m.ClientID, Host: m.ClientHost, Partitions: []int32{}}
		if m.InstanceID != nil {
			member.InstanceID = *m.InstanceID
		}
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range assigned.Topics {
				member.Partitions = append(member.Partitions, t.Partitions...)
			}
		}
		slices.Sort(member.Partitions)
		all = append(all, member)
	}
	return all, nil
}
