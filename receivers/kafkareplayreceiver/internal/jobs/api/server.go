// Package api accepts jobs, over HTTP and from the configuration, and shows them.
package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/audit"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/joblog"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs/plan"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pipeline"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/web"
)

// maxOpen bounds the jobs that have not ended.
const maxOpen = 100

// ErrNotReady says that the log of jobs has not been read yet.
var ErrNotReady = errors.New("Kafka, or the journal in Kafka, is not available yet")

var (
	errNoJob      = errors.New("no such job")
	errTooMany    = fmt.Errorf("%d jobs have not ended: cancel or delete some", maxOpen)
	errTooManyOwn = fmt.Errorf("%d jobs of the API key's tenant have not ended: cancel or delete some", maxOpenOfTenant)
)

// Settings configure a server. All fields are required.
type Settings struct {
	ID      component.ID
	Log     *zap.Logger
	Entries *pipeline.Entries
	Planner *plan.Planner
	// Board returns the log of jobs, or ErrNotReady.
	Board func() (*joblog.Log, error)
	// Running returns the progress of a job that this instance runs.
	Running func(id string) (status replay.Status, here bool)
}

// Server serves the jobs of a receiver. It is safe for concurrent use.
type Server struct {
	Settings
	authorizer admin.Authorizer
}

// New returns a server that authorizes with host's extensions.
func New(s Settings, host component.Host) *Server {
	return &Server{s, admin.FindAuthorizer(host)}
}

// audit writes to the audit log who did what to which job.
func (s *Server) audit(action, id, by string, err error, more ...zap.Field) {
	audit.Job(s.Log, action, id, by, err, more...)
}

func (s *Server) handler() *admin.Mux {
	replays := admin.Need{Scopes: []string{access.Replay}}
	mux := &admin.Mux{}
	// Pages of earlier releases: the console shows them now.
	for _, old := range []string{"GET /{$}", "GET /v1/{$}", "GET /new", "GET /v1/new"} {
		mux.HandleFunc(old, replays, admin.Moved(s.ID, "replay"))
	}
	mux.HandleFunc("GET /v1/replays", replays, s.serveList)
	mux.HandleFunc("POST /v1/replays", replays, s.serveCreate)
	mux.HandleFunc("GET /v1/replays/{id}", replays, s.serveOne)
	mux.HandleFunc("DELETE /v1/replays/{id}", replays, s.serveWant(replay.Delete))
	mux.HandleFunc("POST /v1/replays/{id}/pause", replays, s.serveWant(replay.Pause))
	mux.HandleFunc("POST /v1/replays/{id}/resume", replays, s.serveWant(replay.Run))
	mux.HandleFunc("POST /v1/replays/{id}/cancel", replays, s.serveWant(replay.Cancel))
	mux.Within(func(h http.Handler) http.Handler {
		return http.TimeoutHandler(h, web.Limit, `{"error":"Kafka or a target took too long to answer"}`)
	})
	return mux
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

// views returns the jobs that the client may see, newest first. Jobs that run in this instance have their present status.
func (s *Server) views(c access.Client) ([]View, error) {
	log, err := s.Board()
	if err != nil {
		return nil, err
	}
	out := []View{}
	log.Read(func(b *replay.Board) {
		for _, job := range b.Jobs() {
			if !sees(c, job) {
				continue
			}
			copied := *job
			copied.History = slices.Clone(job.History)
			if status, here := s.Running(job.Spec.ID); here && !job.Status.Phase.Ended() {
				copied.Status = status
			}
			out = append(out, viewOf(&copied))
		}
	})
	slices.Reverse(out)
	return out, nil
}

func (s *Server) view(c access.Client, id string) (View, error) {
	all, err := s.views(c)
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

func (s *Server) serveList(w http.ResponseWriter, r *http.Request) {
	all, err := s.views(access.Of(r.Context()))
	if err != nil {
		answerError(w, err)
		return
	}
	web.Answer(w, http.StatusOK, map[string]any{"replays": all})
}

func (s *Server) serveOne(w http.ResponseWriter, r *http.Request) {
	v, err := s.view(access.Of(r.Context()), r.PathValue("id"))
	if err != nil {
		answerError(w, err)
		return
	}
	web.Answer(w, http.StatusOK, v)
}

// serveWant changes what is wanted of a job.
func (s *Server) serveWant(want replay.Want) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		log, err := s.Board()
		if err != nil {
			answerError(w, err)
			return
		}
		id, by := r.PathValue("id"), web.Caller(r)
		c := access.Of(r.Context())
		v, err := s.view(c, id)
		if err == nil && want != replay.Delete && v.Status.Phase.Ended() {
			err = fmt.Errorf("the job is %s", v.Status.Phase)
		}
		if err == nil && v.Want == replay.Cancel && want != replay.Delete && want != replay.Cancel {
			err = errors.New("the job is being cancelled")
		}
		if err == nil {
			err = log.Append(r.Context(), replay.Entry{ID: id, At: time.Now().UTC(), By: by, Want: want})
		}
		s.audit(string(want), id, by, err)
		if err != nil {
			answerError(w, err)
			return
		}
		if v, err = s.view(c, id); err != nil {
			w.WriteHeader(http.StatusNoContent) // deleted already
			return
		}
		web.Answer(w, http.StatusAccepted, v)
	}
}

func answerError(w http.ResponseWriter, err error) {
	var bad *plan.InvalidError
	status := http.StatusConflict
	switch {
	case errors.As(err, &bad):
		status = http.StatusBadRequest
	case errors.Is(err, errNoJob):
		status = http.StatusNotFound
	case errors.Is(err, errTooMany), errors.Is(err, errTooManyOwn):
		status = http.StatusTooManyRequests
	case errors.Is(err, ErrNotReady):
		w.Header().Set("Retry-After", "2")
		status = http.StatusServiceUnavailable
	}
	web.Answer(w, status, map[string]string{"error": err.Error()})
}
