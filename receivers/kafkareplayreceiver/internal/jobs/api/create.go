package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs/plan"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/web"
)

// maxBody bounds a request.
const maxBody = 64 << 10

func (s *Server) serveCreate(w http.ResponseWriter, r *http.Request) {
	log, err := s.Board()
	if err != nil {
		answerError(w, err)
		return
	}
	spec, err := readSpec(w, r)
	if err != nil {
		answerError(w, plan.Invalid(err))
		return
	}
	by, c := web.Caller(r), access.Of(r.Context())
	if content, err := json.Marshal(spec); err == nil {
		admin.Detail(r.Context(), "job", string(content))
	}
	tenant, err := confine(c, &spec)
	if err != nil {
		s.audit("refuse", "", by, err)
		web.Answer(w, http.StatusForbidden, map[string]string{"error": err.Error()})
		return
	}
	job, problems, err := s.Planner.Prepare(r.Context(), spec, by)
	if err != nil {
		s.audit("refuse", spec.ID, by, err, zap.Any("spec", spec))
		answerError(w, err)
		return
	}
	job.Tenant = tenant
	if job.Spec.DryRun {
		e, err := s.Planner.Estimate(r.Context(), job)
		if err != nil {
			answerError(w, err)
			return
		}
		if e.Records == 0 {
			problems = append(problems, e.Nothing())
		}
		s.audit("dry run", job.Spec.ID, by, nil, zap.Any("spec", job.Spec))
		web.Answer(w, http.StatusOK, map[string]any{"range": job.Range, "spans": job.Spans, "problems": nonNil(problems), "estimate": e})
		return
	}
	if job.Spec.Replace != nil {
		who, ok := s.mayErase(w, r)
		if !ok {
			s.audit("refuse", job.Spec.ID, by, errors.New("replace: not authorized"), zap.Any("spec", spec))
			return
		}
		by = web.At(who, r)
		job.By = by
	}
	if len(problems) > 0 && !job.Spec.Force {
		s.audit("refuse", job.Spec.ID, by, errors.New(strings.Join(problems, "; ")), zap.Any("spec", spec))
		web.Answer(w, http.StatusConflict, map[string]any{"error": "refused by the preflight check; set force: true to run the job anyway", "problems": problems})
		return
	}
	job.Warnings = problems
	if err := s.add(r.Context(), log, job); err != nil {
		answerError(w, err)
		return
	}
	v, err := s.view(c, job.Spec.ID)
	if err != nil { // Two requests used the same id at once, and the job was deleted since.
		answerError(w, err)
		return
	}
	w.Header().Set("Location", "./replays/"+job.Spec.ID)
	web.Answer(w, http.StatusCreated, v)
}

// mayErase returns the name of a client that may delete stored data, and answers other clients.
func (s *Server) mayErase(w http.ResponseWriter, r *http.Request) (who string, ok bool) {
	who, err := s.authorizer.Authorize(r, access.Erase)
	if err == nil {
		return who, true
	}
	status := http.StatusForbidden
	if access.Of(r.Context()).Open {
		admin.Challenge(w.Header())
		status = http.StatusUnauthorized
	}
	web.Answer(w, status, map[string]string{"error": "replace: " + err.Error()})
	return "", false
}

// readSpec decodes a request's body. The error contains no text of it.
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
		return s, fmt.Errorf("body: must be one job in JSON without unknown members (at byte %d)", d.InputOffset())
	}
}

func nonNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
