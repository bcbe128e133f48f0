package ingestreceiver

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/receivers/ingestreceiver/internal/esbulk"
)

// elasticVersion is the version in answers to probes: the newest of the major version that every current shipper supports. Beats before
// 8.11 send nothing to an Elasticsearch older than themselves.
const elasticVersion = "8.19.0"

// elasticDialect answers as Elasticsearch does. Its clients check the product header of every answer.
var elasticDialect = &dialect{"elasticsearch", func(w http.ResponseWriter, _ *http.Request, code int, text string) {
	kind := "illegal_argument_exception"
	switch code {
	case http.StatusTooManyRequests:
		kind = "es_rejected_execution_exception"
	case http.StatusServiceUnavailable:
		kind = "unavailable_shards_exception"
	case http.StatusUnauthorized:
		kind = "security_exception"
		w.Header().Set("WWW-Authenticate", `Basic realm="penstock"`)
	}
	one := esbulk.Error{Type: kind, Reason: text}
	writeElastic(w, code, map[string]any{"error": map[string]any{"type": kind, "reason": text, "root_cause": []esbulk.Error{one}}, "status": code})
}}

func writeElastic(w http.ResponseWriter, code int, v any) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	write(w, code, v)
}

// isElastic reports whether a path is one that Elasticsearch's clients request.
func isElastic(path string) bool {
	return path == "/" || strings.HasPrefix(path, "/_") || strings.HasSuffix(path, "/_bulk")
}

// serveElastic accepts bulk requests, and answers the requests that shippers make before they send.
func (r *ingest) serveElastic(w http.ResponseWriter, req *http.Request) {
	path := strings.TrimSuffix(strings.TrimPrefix(req.URL.Path, "/"), "/")
	parts := strings.Split(path, "/")
	if parts[len(parts)-1] == "_bulk" && len(parts) <= 3 {
		if req.Method != http.MethodPost && req.Method != http.MethodPut {
			allow(elasticDialect, w, req, http.MethodPost, http.MethodPut)
			return
		}
		index := ""
		if len(parts) > 1 {
			index = parts[0] // a part between the two is the type of an old client
		}
		r.take(elasticDialect, w, req, func(req *http.Request, b *batch) error { return r.bulk(w, req, b, index) })
		return
	}
	asks := req.Method == http.MethodGet || req.Method == http.MethodHead
	switch parts[0] {
	case "":
		if !asks {
			allow(elasticDialect, w, req, http.MethodGet, http.MethodHead)
			return
		}
		writeElastic(w, http.StatusOK, map[string]any{
			"name": "penstock", "cluster_name": "penstock", "cluster_uuid": "penstock", "tagline": "You Know, for Search",
			"version": map[string]any{"number": elasticVersion, "build_flavor": "default", "build_type": "tar", "build_hash": "unknown", "build_date": "1970-01-01T00:00:00Z",
				"build_snapshot": false, "lucene_version": "9.12.1", "minimum_wire_compatibility_version": "7.17.0", "minimum_index_compatibility_version": "7.0.0"},
		})
	case "_license", "_xpack":
		license := map[string]any{"status": "active", "uid": "penstock", "type": "basic", "mode": "basic"}
		writeElastic(w, http.StatusOK, map[string]any{"license": license, "features": map[string]any{}})
	case "_cluster":
		writeElastic(w, http.StatusOK, map[string]any{"cluster_name": "penstock", "status": "green", "timed_out": false, "number_of_nodes": 1, "number_of_data_nodes": 1})
	case "_nodes":
		writeElastic(w, http.StatusOK, map[string]any{"cluster_name": "penstock", "nodes": map[string]any{}})
	case "_template", "_index_template", "_component_template", "_ilm", "_ingest", "_data_stream", "_alias":
		// There are no indexes to set up: whatever a shipper wants to create before it sends is answered as existing.
		answer := map[string]any{}
		if !asks {
			answer["acknowledged"] = true
		}
		writeElastic(w, http.StatusOK, answer)
	default:
		elasticDialect.fail(w, req, http.StatusNotFound, "unknown path: send documents to /_bulk and /{index}/_bulk")
	}
}

// bulk handles the documents of a bulk request, and answers each action separately.
func (r *ingest) bulk(w http.ResponseWriter, req *http.Request, b *batch, index string) error {
	if r.logs == nil {
		return &refused{http.StatusNotFound, "this receiver is in no pipeline for logs"}
	}
	items, err := esbulk.Decode(b.body, index, r.cfg.Shippers.MaxItems)
	var malformed *esbulk.MalformedError
	switch {
	case errors.Is(err, esbulk.ErrTooMany):
		return r.tooMany()
	case errors.As(err, &malformed):
		return &refused{http.StatusBadRequest, err.Error()}
	case len(items) == 0:
		return &refused{http.StatusBadRequest, "request body is required"}
	}
	s := newShipped(b)
	problems := map[int]*esbulk.Problem{}
	for at, i := range items {
		b.received++
		if reason, problem := s.document(at, i); problem != nil {
			problems[at] = problem
			r.count(reason, 1)
		}
	}
	if err := r.sendLogs(req.Context(), elasticDialect, s.logs); err != nil {
		return err
	}
	answer := esbulk.Answer(items, time.Since(b.now).Milliseconds(), func(at int) *esbulk.Problem { return problems[at] })
	writeElastic(w, http.StatusOK, json.RawMessage(answer))
	return nil
}

// document makes a record of one action. If it can't, it returns the reason for the counter and the problem for the answer.
func (s *shipped) document(at int, i esbulk.Item) (string, *esbulk.Problem) {
	if i.Action != "index" && i.Action != "create" {
		return "action", &esbulk.Problem{Status: http.StatusBadRequest, Type: "illegal_argument_exception",
			Reason: "the action is not supported: stored documents can't be changed or deleted; use index or create"}
	}
	v, err := value(i.Source)
	fields, ok := v.(map[string]any)
	if err == nil && !ok {
		err = errors.New("not an object")
	}
	if err != nil {
		return "malformed", &esbulk.Problem{Status: http.StatusBadRequest, Type: "document_parsing_exception", Reason: "the document is refused: " + err.Error()}
	}
	flat := make(map[string]any, len(fields))
	flatten(flat, "", fields)
	when, mark, err := s.elasticTime(flat)
	if err != nil {
		reason := "malformed"
		var late *outOfRange
		if errors.As(err, &late) {
			reason = "time"
		}
		return reason, &esbulk.Problem{Status: http.StatusBadRequest, Type: "document_parsing_exception", Reason: "[@timestamp]: " + err.Error()}
	}
	resource, record := splitECS(flat)
	to := s.add(resourceKey(resource), func(to pcommon.Map) { setAll(to, resource) })
	takeECS(to, record)
	setAll(to.Attributes(), record)
	if i.Index != "" {
		to.Attributes().PutStr("elasticsearch.index", i.Index)
	}
	s.stampShipped(to, when, mark, at)
	if i.ID != "" {
		to.Attributes().PutStr("log.record.uid", i.ID)
	}
	return "", nil
}

// elasticTime removes the time from a document's fields; it is zero if there is none.
func (s *shipped) elasticTime(flat map[string]any) (time.Time, string, error) {
	v, ok := flat["@timestamp"]
	if !ok || v == nil {
		return time.Time{}, "", nil
	}
	delete(flat, "@timestamp")
	at, err := parseTime(strings.TrimSpace(textOf(v)))
	if err != nil {
		return at, "", err
	}
	mark, err := s.inRange(at)
	return at, mark, err
}
