package database

import (
	"bytes"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// invalidLabels is Prometheus' own counter of samples that its remote write handler refuses for their labels; the storage never sees them. It
	// counts a series of a 1.0 request once, however many samples it has there: usually one.
	invalidLabels = "prometheus_api_remote_write_invalid_labels_samples_total"
	// tooFarAhead is the handler's message for a sample that is more than ten minutes ahead, which the storage does not see either.
	tooFarAhead = "timestamp is too far in the future"
	// maxAnswer bounds the part of an answer that is inspected.
	maxAnswer = 1 << 20
)

// refusedByLabels is how many samples remote write has refused for their labels.
func refusedByLabels(g prometheus.Gatherer) int64 {
	families, err := g.Gather()
	if err != nil && len(families) == 0 {
		return 0
	}
	for _, f := range families {
		if f.GetName() == invalidLabels && len(f.GetMetric()) > 0 {
			return int64(f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	return 0
}

// countingFuture counts the samples that remote write refuses as too far ahead: its answer names each of them.
func (g *gate) countingFuture(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/write" {
			next.ServeHTTP(w, r)
			return
		}
		a := &answer{ResponseWriter: w}
		next.ServeHTTP(a, r)
		if a.status == http.StatusBadRequest {
			g.refused[Future].Add(int64(bytes.Count(a.body, []byte(tooFarAhead))))
		}
	})
}

// answer records a refusal's text while it is sent.
type answer struct {
	http.ResponseWriter
	status int
	body   []byte
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == http.StatusBadRequest {
		a.body = append(a.body, b[:min(len(b), maxAnswer-len(a.body))]...)
	}
	return a.ResponseWriter.Write(b)
}
