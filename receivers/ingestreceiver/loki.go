package ingestreceiver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang/snappy"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/decompress"
	"github.com/penstockhq/penstock/receivers/ingestreceiver/internal/lokipush"
)

const lokiPushPath = "/loki/api/v1/push"

// lokiDialect answers as Loki does, with a line of text.
var lokiDialect = &dialect{"loki", func(w http.ResponseWriter, _ *http.Request, code int, text string) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.Error(w, text, code)
}}

func (r *ingest) serveLoki(w http.ResponseWriter, req *http.Request) {
	switch {
	case req.URL.Path != lokiPushPath:
		lokiDialect.fail(w, req, http.StatusNotFound, "unknown path: send entries to "+lokiPushPath)
	case req.Method != http.MethodPost:
		allow(lokiDialect, w, req, http.MethodPost)
	default:
		r.take(lokiDialect, w, req, func(req *http.Request, b *batch) error { return r.pushLoki(w, req, b) })
	}
}

// pushLoki handles a push request. Like Loki, it stores the good entries and answers 400 if there are others.
func (r *ingest) pushLoki(w http.ResponseWriter, req *http.Request, b *batch) error {
	if r.logs == nil {
		return &refused{http.StatusNotFound, "this receiver is in no pipeline for logs"}
	}
	streams, err := r.readLoki(b)
	switch {
	case errors.Is(err, lokipush.ErrTooMany):
		return r.tooMany()
	case errors.Is(err, lokipush.ErrMalformed):
		return &refused{http.StatusBadRequest, err.Error()}
	case err != nil:
		return err
	}
	s := newShipped(b)
	var problem error
	for _, stream := range streams {
		if stream.Rejected > 0 {
			b.rejected += stream.Rejected
			r.count("malformed", stream.Rejected)
			if problem == nil {
				problem = stream.Problem
			}
		}
		if err := s.lokiStream(stream); err != nil && problem == nil {
			problem = err
		}
	}
	if err := r.sendLogs(req.Context(), lokiDialect, s.logs); err != nil {
		return err
	}
	if b.rejected > 0 {
		lokiDialect.fail(w, req, http.StatusBadRequest, fmt.Sprintf("%d entries were refused, the others were accepted: %v", b.rejected, problem))
		return nil
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// readLoki decodes either form of a body. Protobuf is compressed with snappy; if a client also names snappy as Content-Encoding, the body
// was already decompressed.
func (r *ingest) readLoki(b *batch) ([]lokipush.Stream, error) {
	switch {
	case blank(b.body):
		return nil, &refused{http.StatusBadRequest, "the body is empty"}
	case b.kind == "application/json":
		return lokipush.JSON(b.body, r.cfg.Shippers.MaxItems)
	case b.kind != "application/x-protobuf" && b.kind != "":
		return nil, &refused{http.StatusUnsupportedMediaType, "the Content-Type must be application/x-protobuf or application/json"}
	}
	n, err := snappy.DecodedLen(b.body)
	if err == nil && n > int(r.cfg.Shippers.MaxBody) {
		return nil, decompress.ErrTooLarge
	}
	if err == nil {
		if body, err := snappy.Decode(nil, b.body); err == nil {
			return lokipush.Protobuf(body, r.cfg.Shippers.MaxItems)
		}
	}
	return lokipush.Protobuf(b.body, r.cfg.Shippers.MaxItems)
}

// lokiResource are the labels that Loki derives from OpenTelemetry's resource attributes, or that shippers use for them.
var lokiResource = map[string]string{
	"service_name": "service.name", "service_namespace": "service.namespace", "service_instance_id": "service.instance.id", "service_version": "service.version",
	"deployment_environment": "deployment.environment.name", "deployment_environment_name": "deployment.environment.name",
	"host": "host.name", "hostname": "host.name", "host_name": "host.name",
	"cloud_provider": "cloud.provider", "cloud_region": "cloud.region", "cloud_availability_zone": "cloud.availability_zone",
	"container_name": "container.name", "container_id": "container.id", "filename": "log.file.path",
	"k8s_cluster_name": "k8s.cluster.name", "k8s_namespace_name": "k8s.namespace.name", "k8s_node_name": "k8s.node.name", "k8s_pod_name": "k8s.pod.name",
	"k8s_pod_uid": "k8s.pod.uid", "k8s_container_name": "k8s.container.name", "k8s_deployment_name": "k8s.deployment.name", "k8s_replicaset_name": "k8s.replicaset.name",
	"k8s_statefulset_name": "k8s.statefulset.name", "k8s_daemonset_name": "k8s.daemonset.name", "k8s_job_name": "k8s.job.name", "k8s_cronjob_name": "k8s.cronjob.name",
}

// lokiServices are the labels that name a service if service_name is missing, the most likely first. They also stay attributes.
var lokiServices = []string{"service", "app", "application", "app_kubernetes_io_name", "job", "container"}

// lokiStream makes records of a stream; its labels become the resource.
func (s *shipped) lokiStream(stream lokipush.Stream) error {
	var key strings.Builder
	streamLevel := ""
	for _, p := range stream.Labels {
		fmt.Fprintf(&key, "%q=%q,", p.Name, p.Value)
		if isLevel(p.Name) {
			streamLevel = p.Value
		}
	}
	var problem error
	for _, e := range stream.Entries {
		s.received++
		var at time.Time
		mark := ""
		if e.Nanos != 0 {
			at = time.Unix(0, e.Nanos)
			var err error
			if mark, err = s.inRange(at); err != nil {
				s.reject(s.received-1, "time", err.Error())
				problem = err
				continue
			}
		}
		to := s.add(key.String(), func(to pcommon.Map) { lokiLabels(to, stream.Labels) })
		to.Body().SetStr(e.Line)
		level(to, streamLevel)
		lokiMetadata(to, e.Metadata)
		s.stampShipped(to, at, mark, s.received-1)
	}
	return problem
}

func isLevel(name string) bool {
	return name == "level" || name == "severity" || name == "detected_level" || name == "severity_text"
}

func lokiLabels(to pcommon.Map, labels []lokipush.Pair) {
	for _, p := range labels {
		switch name := lokiResource[p.Name]; {
		case name != "":
			to.PutStr(name, p.Value)
		case isLevel(p.Name): // the severity of the records
		default:
			to.PutStr(p.Name, p.Value)
		}
	}
	if _, ok := to.Get("service.name"); ok {
		return
	}
	for _, name := range lokiServices {
		if v, ok := to.Get(name); ok && v.Str() != "" {
			to.PutStr("service.name", v.Str())
			return
		}
	}
}

// lokiMetadata moves ids and level from structured metadata to the record's fields, and the rest to attributes.
func lokiMetadata(to plog.LogRecord, metadata []lokipush.Pair) {
	for _, p := range metadata {
		switch p.Name {
		case "trace_id", "traceid", "traceID", "traceId":
			if traceID(to, p.Value) {
				continue
			}
		case "span_id", "spanid", "spanID", "spanId":
			if spanID(to, p.Value) {
				continue
			}
		}
		if isLevel(p.Name) {
			level(to, p.Value)
			continue
		}
		to.Attributes().PutStr(p.Name, p.Value)
	}
}
