package kafkareplayreceiver

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
)

const (
	maxBody = 64 << 10
	// askLimit bounds what a request may take, dry runs included; admin's write_timeout is 30s.
	askLimit = 25 * time.Second
)

// mount puts the API on the admin extension, if there is one: below the receiver's id, and at /v1/replays as long as no
// other receiver has jobs.
func (j *jobs) mount(host component.Host) error {
	j.authorizer = admin.FindAuthorizer(host)
	m, ok := admin.Find(host)
	if !ok {
		j.set.Logger.Info("no admin extension: replay jobs can only be configured")
		return nil
	}
	unmount, err := m.Mount(j.id.String(), "Replay jobs", j.handler())
	if err != nil {
		return err
	}
	j.unmount = append(j.unmount, unmount)
	if unmount, err := m.Mount("v1", "Replay jobs, by their short address", withPrefix("/v1", j.shared.short())); err == nil {
		j.unmount = append(j.unmount, unmount)
	} // else another receiver was first, and answers for both
	return nil
}

// short serves the only receiver with jobs, and says where to look when there are several.
func (s *shared) short() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		all := slices.Collect(maps.Values(s.all))
		s.mu.Unlock()
		if len(all) == 1 {
			all[0].handler().ServeHTTP(w, r)
			return
		}
		var at []string
		for _, j := range all {
			at = append(at, "/"+j.id.String()+r.URL.Path)
		}
		slices.Sort(at)
		answer(w, http.StatusMultipleChoices, map[string]any{"error": "several receivers have jobs: use their addresses", "addresses": at})
	})
}

// withPrefix puts back what the mount took off.
func withPrefix(prefix string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := r.Clone(r.Context())
		to.URL.Path, to.URL.RawPath = prefix+r.URL.Path, ""
		h.ServeHTTP(w, to)
	})
}

func (j *jobs) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", j.servePage)
	mux.HandleFunc("GET /v1/{$}", j.servePage)
	mux.HandleFunc("GET /new", j.serveNew("v1/replays"))
	mux.HandleFunc("GET /v1/new", j.serveNew("replays"))
	mux.HandleFunc("GET /v1/replays", j.serveList)
	mux.HandleFunc("POST /v1/replays", j.serveCreate)
	mux.HandleFunc("GET /v1/replays/{id}", j.serveOne)
	mux.HandleFunc("DELETE /v1/replays/{id}", j.serveWant(replay.Delete))
	mux.HandleFunc("POST /v1/replays/{id}/pause", j.serveWant(replay.Pause))
	mux.HandleFunc("POST /v1/replays/{id}/resume", j.serveWant(replay.Run))
	mux.HandleFunc("POST /v1/replays/{id}/cancel", j.serveWant(replay.Cancel))
	return http.TimeoutHandler(mux, askLimit, `{"error":"Kafka or a target took too long to answer"}`)
}

// View is a job as the API shows it.
type View struct {
	replay.Job
	Progress  float64 `json:"progress"` // 0 to 1
	Remaining string  `json:"remaining,omitempty"`
}

func viewOf(job *replay.Job) View {
	v := View{Job: *job}
	if all, done := job.Status.Total(); all > 0 {
		v.Progress = float64(done) / float64(all)
	} else if job.Status.Phase == replay.Done {
		v.Progress = 1
	}
	if d := job.Status.Remaining(); d > 0 {
		v.Remaining = d.String()
	}
	return v
}

// views returns the jobs, newest first. Of those that run here it has the present status.
func (j *jobs) views() ([]View, error) {
	log, err := j.ready()
	if err != nil {
		return nil, err
	}
	out := []View{}
	log.Read(func(b *replay.Board) {
		for _, job := range b.Jobs() {
			copied := *job
			copied.History = slices.Clone(job.History)
			j.mu.Lock()
			r := j.runs[job.Spec.ID]
			j.mu.Unlock()
			if r != nil && !job.Status.Phase.Ended() {
				copied.Status = r.status()
			}
			out = append(out, viewOf(&copied))
		}
	})
	slices.Reverse(out)
	return out, nil
}

func (j *jobs) view(id string) (View, error) {
	all, err := j.views()
	if err != nil {
		return View{}, err
	}
	for _, v := range all {
		if v.Spec.ID == id {
			return v, nil
		}
	}
	return View{}, errNoJob
}

var errNoJob = errors.New("there is no such job")

func (j *jobs) serveList(w http.ResponseWriter, _ *http.Request) {
	all, err := j.views()
	if err != nil {
		answerError(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"replays": all})
}

func (j *jobs) serveOne(w http.ResponseWriter, r *http.Request) {
	v, err := j.view(r.PathValue("id"))
	if err != nil {
		answerError(w, err)
		return
	}
	answer(w, http.StatusOK, v)
}

func (j *jobs) serveCreate(w http.ResponseWriter, r *http.Request) {
	log, err := j.ready()
	if err != nil {
		answerError(w, err)
		return
	}
	s, err := readSpec(w, r)
	if err != nil {
		answerError(w, invalid(err))
		return
	}
	by := caller(r)
	job, problems, err := j.prepare(r.Context(), s, by)
	if err != nil {
		j.audit("refuse", s.ID, by, err, zap.Any("spec", s))
		answerError(w, err)
		return
	}
	if job.Spec.DryRun {
		e, err := j.estimate(r.Context(), job)
		if err != nil {
			answerError(w, err)
			return
		}
		if e.Records == 0 {
			problems = append(problems, e.nothing())
		}
		j.audit("dry run", job.Spec.ID, by, nil, zap.Any("spec", job.Spec))
		answer(w, http.StatusOK, map[string]any{"range": job.Range, "spans": job.Spans, "problems": nonNil(problems), "estimate": e})
		return
	}
	if job.Spec.Replace != nil {
		who, err := j.authorizer.Authorize(r)
		if err != nil {
			j.audit("refuse", job.Spec.ID, by, err, zap.Any("spec", s))
			admin.Challenge(w.Header())
			answer(w, http.StatusUnauthorized, map[string]string{"error": "replace: " + err.Error()})
			return
		}
		by = at(who, r)
		job.By = by
	}
	if len(problems) > 0 && !job.Spec.Force {
		j.audit("refuse", job.Spec.ID, by, errors.New(strings.Join(problems, "; ")), zap.Any("spec", s))
		answer(w, http.StatusConflict, map[string]any{"error": "refused by the preflight; force: true runs it all the same", "problems": problems})
		return
	}
	job.Warnings = problems
	if err := j.add(r.Context(), log, job); err != nil {
		answerError(w, err)
		return
	}
	v, err := j.view(job.Spec.ID)
	if err != nil { // Two asked for the same id at once, and it was deleted since.
		answerError(w, err)
		return
	}
	w.Header().Set("Location", "./replays/"+job.Spec.ID)
	answer(w, http.StatusCreated, v)
}

// readSpec decodes a request's body. The error repeats nothing of it.
func readSpec(w http.ResponseWriter, r *http.Request) (s replay.Spec, err error) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	var kind *json.UnmarshalTypeError
	var large *http.MaxBytesError
	switch err = d.Decode(&s); {
	case err == nil:
		return s, nil
	case errors.As(err, &large):
		return s, fmt.Errorf("body: is larger than %d bytes", maxBody)
	case errors.As(err, &kind):
		return s, fmt.Errorf("%s: must be of type %s", cmp.Or(kind.Field, "body"), kind.Type)
	default:
		return s, fmt.Errorf("body: must be one job in JSON, with no other members than a job has (at byte %d)", d.InputOffset())
	}
}

func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// serveWant takes a wish for a job.
func (j *jobs) serveWant(want replay.Want) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		log, err := j.ready()
		if err != nil {
			answerError(w, err)
			return
		}
		id, by := r.PathValue("id"), caller(r)
		v, err := j.view(id)
		if err == nil && want != replay.Delete && v.Status.Phase.Ended() {
			err = fmt.Errorf("the job is %s", v.Status.Phase)
		}
		if err == nil && v.Want == replay.Cancel && want != replay.Delete && want != replay.Cancel {
			err = errors.New("the job is being cancelled")
		}
		if err == nil {
			err = log.Append(r.Context(), replay.Entry{ID: id, At: time.Now().UTC(), By: by, Want: want})
		}
		j.audit(string(want), id, by, err)
		if err != nil {
			answerError(w, err)
			return
		}
		if v, err = j.view(id); err != nil {
			w.WriteHeader(http.StatusNoContent) // deleted already
			return
		}
		answer(w, http.StatusAccepted, v)
	}
}

// caller says who asks: who the authenticator says, and from where.
func caller(r *http.Request) string { return at(cmp.Or(admin.Name(r.Context()), "somebody"), r) }

// at says where a client is.
func at(who string, r *http.Request) string {
	from := r.RemoteAddr
	if addr := client.FromContext(r.Context()).Addr; addr != nil {
		from = addr.String()
	}
	return who + " at " + from
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the client is gone
}

func answerError(w http.ResponseWriter, err error) {
	var bad *invalidError
	status := http.StatusConflict
	switch {
	case errors.As(err, &bad):
		status = http.StatusBadRequest
	case errors.Is(err, errNoJob):
		status = http.StatusNotFound
	case errors.Is(err, errTooMany):
		status = http.StatusTooManyRequests
	case errors.Is(err, errNotReady):
		w.Header().Set("Retry-After", "2")
		status = http.StatusServiceUnavailable
	}
	answer(w, status, map[string]string{"error": err.Error()})
}

// nothing says that a job would find nothing.
func (e *Estimate) nothing() string {
	if e.Scanned == 0 {
		return "nothing would be replayed: the journal has no record in the range"
	}
	return fmt.Sprintf("nothing would be replayed: the range has %d records, and none of those that were read is selected", e.Scanned)
}
