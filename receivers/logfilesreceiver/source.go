package logfilesreceiver

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/lines"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/parse"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/tail"
)

// source is a file with its held-back lines and its origin.
type source struct {
	file    *tail.File
	streams *lines.Streams
	flushed time.Time // value of streams.Last when lines were last flushed after waiting
	scratch plog.LogRecord
	mixed   bool // its lines have several origins
	// lent are the streams of the file that replaced this one, which have lines that this one held back; nil: none.
	lent   *lines.Streams
	former string // path before the last rename
	waited int    // polls that the file has waited for the one that it replaced

	path       string // of which the rest was read
	name       string
	service    string            // of the pod or container; empty: neither
	attributes map[string]string // of the resource
}

// source returns the file's source, and parses its path again after a rename.
func (r *logFiles) source(f *tail.File) *source {
	src, ok := f.State.(*source)
	if !ok {
		src = &source{file: f, streams: lines.New(r.cfg.MaxRecordSize), scratch: plog.NewLogRecord()}
		f.State = src
	}
	if src.path != f.Path {
		src.former = src.path
		src.path, src.name = f.Path, filepath.Base(f.Path)
		src.attributes, src.service = describe(f.Path)
	}
	return src
}

// delivered moves the position: up to the first line that is held back, here or in the file that took over this file's lines.
func (src *source) delivered() {
	offset, held := src.streams.Pending(src)
	if src.lent != nil {
		if at, also := src.lent.Pending(src); also && (!held || at < offset) {
			offset, held = at, true
		}
	}
	if !held {
		offset = src.file.ReadTo()
	}
	src.file.Delivered(offset)
}

// resource sets the resource's attributes. service.name is never absent: the pod's workload, the container, syslog's application, the
// configured name, the file's name.
func (src *source) resource(to pcommon.Map, origin parse.Origin, configured string) {
	for key, value := range src.attributes {
		to.PutStr(key, value)
	}
	for name, value := range src.streams.Labels {
		to.PutStr("container.label."+name, value)
	}
	if origin.Host != "" {
		to.PutStr("host.name", origin.Host)
	}
	service := src.service
	for _, next := range []string{serviceOf(src.streams.Labels), origin.Service, src.attributes["container.name"], configured, fileService(src.name)} {
		if service == "" {
			service = next
		}
	}
	to.PutStr("service.name", service)
}

var (
	// podPath is kubelet's path of a pod's files: namespace_pod_uid/container/restarts.log.
	podPath = regexp.MustCompile(`[/\\]([^/\\_]+)_([^/\\_]+)_([a-f0-9-]+)[/\\]([^/\\_.]+)[/\\](\d+)\.log(?:\.[^/\\]*)?$`)
	// containerLink is the name of the links in /var/log/containers: pod_namespace_container-id.log.
	containerLink = regexp.MustCompile(`^([^_]+)_([^_]+)_(.+)-([a-f0-9]{64})\.log$`)
	// dockerPath is Docker's path of a container's log, beside the container's configuration.
	dockerPath = regexp.MustCompile(`[/\\]([a-f0-9]{64})[/\\]([a-f0-9]{64})-json\.log(?:\.\d+)?$`)

	// Names that Kubernetes derives from the name of a workload: the letters and digits of the random parts exclude vowels and 0, 1, 3.
	deploymentPod = regexp.MustCompile(`^(.+)-[bcdf-hj-np-tv-xz2456789]{6,10}-[bcdf-hj-np-tv-xz2456789]{5}$`)
	cronPod       = regexp.MustCompile(`^(.+)-\d{8,10}-[bcdf-hj-np-tv-xz2456789]{5}$`)
	daemonPod     = regexp.MustCompile(`^(.+)-[bcdf-hj-np-tv-xz2456789]{5}$`)
	statefulPod   = regexp.MustCompile(`^(.+)-\d{1,4}$`)

	// rotated matches what rotation and dates add to the name of a file.
	rotated = regexp.MustCompile(`(?:[-._]\d{4}-?\d{2}-?\d{2}(?:[-T_.]\d{2,6})*|\.\d+|\.log|\.out|\.err|\.txt|\.json|\.old|\.gz)+$`)
)

// describe derives attributes of the resource from a path and the target of its link.
func describe(path string) (attributes map[string]string, service string) {
	real := path
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		real = resolved
	}
	for _, p := range []string{path, real} {
		if m := podPath.FindStringSubmatch(p); m != nil {
			return map[string]string{"k8s.namespace.name": m[1], "k8s.pod.name": m[2], "k8s.pod.uid": m[3], "k8s.container.name": m[4],
				"k8s.container.restart_count": m[5]}, workload(m[2])
		}
	}
	if m := containerLink.FindStringSubmatch(filepath.Base(path)); m != nil {
		return map[string]string{"k8s.pod.name": m[1], "k8s.namespace.name": m[2], "k8s.container.name": m[3], "container.id": m[4]}, workload(m[1])
	}
	for _, p := range []string{path, real} {
		if m := dockerPath.FindStringSubmatch(p); m != nil && m[1] == m[2] {
			return dockerContainer(filepath.Dir(p), m[1])
		}
	}
	return nil, ""
}

// workload is the name of a pod's owner, derived from the pod's name.
func workload(pod string) string {
	for _, pattern := range []*regexp.Regexp{deploymentPod, cronPod, daemonPod, statefulPod} {
		if m := pattern.FindStringSubmatch(pod); m != nil {
			return m[1]
		}
	}
	return pod
}

// dockerContainer reads the name and the labels of a container, if this process may.
func dockerContainer(dir, id string) (attributes map[string]string, service string) {
	attributes = map[string]string{"container.id": id}
	text, err := os.ReadFile(filepath.Join(dir, "config.v2.json"))
	if err != nil {
		return attributes, ""
	}
	var container struct {
		Name   string
		Config struct {
			Image  string
			Labels map[string]string
		}
	}
	if json.Unmarshal(text, &container) != nil {
		return attributes, ""
	}
	if name := strings.TrimPrefix(container.Name, "/"); name != "" {
		attributes["container.name"] = name
	}
	if container.Config.Image != "" {
		attributes["container.image.name"] = container.Config.Image
	}
	return attributes, serviceOf(container.Config.Labels)
}

// serviceOf returns the service named by a container's labels.
func serviceOf(labels map[string]string) string {
	for _, name := range []string{"resource.opentelemetry.io/service.name", "app.kubernetes.io/name", "com.docker.compose.service",
		"com.docker.swarm.service.name", "app", "k8s-app", "io.kubernetes.container.name"} {
		if labels[name] != "" {
			return labels[name]
		}
	}
	return ""
}

// fileService is the name of a file without rotation suffixes and extension.
func fileService(name string) string {
	if short := rotated.ReplaceAllString(name, ""); short != "" {
		return short
	}
	return name
}
