package ingestreceiver

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"
)

// ecsNames are fields of the Elastic Common Schema, or of Beats, for which OpenTelemetry has other names. Equal names are not listed. See
// https://opentelemetry.io/docs/specs/semconv/general/ and https://www.elastic.co/docs/reference/ecs/ecs-otel-alignment-overview.
var ecsNames = map[string]string{
	"service.environment": "deployment.environment.name", "service.node.name": "service.instance.id",
	"host.hostname": "host.name", "host.architecture": "host.arch", "host.os.type": "os.type", "host.os.name": "os.name", "host.os.version": "os.version",
	"host.os.full": "os.description", "cloud.service.name": "cloud.platform",
	"container.image.tag": "container.image.tags", "orchestrator.cluster.name": "k8s.cluster.name",
	"kubernetes.namespace": "k8s.namespace.name", "kubernetes.node.name": "k8s.node.name", "kubernetes.pod.name": "k8s.pod.name", "kubernetes.pod.uid": "k8s.pod.uid",
	"kubernetes.container.name": "k8s.container.name", "kubernetes.deployment.name": "k8s.deployment.name", "kubernetes.replicaset.name": "k8s.replicaset.name",
	"kubernetes.statefulset.name": "k8s.statefulset.name", "kubernetes.daemonset.name": "k8s.daemonset.name", "kubernetes.job.name": "k8s.job.name", "kubernetes.cronjob.name": "k8s.cronjob.name",

	"error.type": "exception.type", "error.message": "exception.message", "error.stack_trace": "exception.stacktrace",
	"client.ip": "client.address", "server.ip": "server.address", "source.ip": "source.address", "destination.ip": "destination.address",
	"http.request.body.bytes": "http.request.body.size", "http.response.body.bytes": "http.response.body.size", "http.version": "network.protocol.version",
	"network.protocol":   "network.protocol.name",
	"process.executable": "process.executable.path", "process.name": "process.executable.name",
	"process.args": "process.command_args", "process.parent.pid": "process.parent_pid", "process.thread.id": "thread.id", "process.thread.name": "thread.name",
	"log.origin.file.name": "code.file.path", "log.origin.file.line": "code.line.number", "log.origin.function": "code.function.name",
}

// ecsResource are the prefixes of a resource's attributes.
var ecsResource = []string{"service.", "host.", "os.", "cloud.", "container.", "k8s.", "deployment.environment.name", "agent.", "data_stream.", "telemetry.sdk."}

// splitECS renames a document's fields to OpenTelemetry's names, and separates those of the resource from those of the record. A field
// that already has OpenTelemetry's name takes precedence over one that is renamed to it.
func splitECS(flat map[string]any) (resource, record map[string]any) {
	resource, record = map[string]any{}, map[string]any{}
	for name, v := range flat {
		if v == nil {
			continue
		}
		other := ecsNames[name]
		if _, text := v.(string); text && (name == "host" || name == "service") { // of shippers without ECS
			other = name + ".name"
		}
		if other != "" && other != name {
			if _, taken := flat[other]; !taken {
				name = other
			}
		}
		to := record
		for _, prefix := range ecsResource {
			if strings.HasPrefix(name, prefix) {
				to = resource
				break
			}
		}
		to[name] = v
	}
	return resource, record
}

// takeECS moves fields to the corresponding parts of a log record.
func takeECS(to plog.LogRecord, fields map[string]any) {
	for _, name := range []string{"message", "msg", "log"} {
		if v, ok := fields[name]; ok {
			setAny(to.Body(), v)
			delete(fields, name)
			break
		}
	}
	for _, name := range []string{"log.level", "level", "severity", "loglevel"} {
		if text := textOf(fields[name]); text != "" {
			level(to, text)
			delete(fields, name)
			break
		}
	}
	for _, name := range []string{"trace.id", "trace_id"} {
		if traceID(to, textOf(fields[name])) {
			delete(fields, name)
			break
		}
	}
	for _, name := range []string{"span.id", "span_id", "transaction.id"} {
		if spanID(to, textOf(fields[name])) {
			delete(fields, name)
			break
		}
	}
}
