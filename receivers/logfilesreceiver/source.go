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

// source is a file with what it holds back and where it comes from.
type source struct {
	file    *tail.File
	streams *lines.Streams
	flushed time.Time // of streams.Last, when lines were last given up waiting
	scratch plog.LogRecord
	mixed   bool // its lines have several origins
	// lent is the streams of the file that took this one's place, which have lines that this one held back; nil: none.
	lent   *lines.Streams
	former string // path before the last renaming
	waited int    // polls that the file has waited for the one whose place it took

	path       string // of which the rest was read
	name       string
	service    string            // of the pod or container; empty: neither
	attributes map[string]string // of the resource
}

// source returns the file's, and reads its path anew when it was renamed.
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

// delivered moves the position: up to the first line that is held back, here or where this file's lines went.
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

// resource fills in where records come from. service.name is never absent: the pod's workload, the container, the application that syslog
// names, what the configuration says, the file's name.
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
	// podPath is how kubelet names the files of a pod: namespace_pod_uid/container/restarts.log.
	podPath = regexp.MustCompile(`[/\\]([^/\\_]+)_([^/\\_]+)_([a-f0-9-]+)[/\\]([^/\\_.]+)[/\\](\d+)\.log(?:\.[^/\\]*)?$`)
	// containerLink is how it names the links in /var/log/containers: pod_namespace_container-id.log.
	containerLink = regexp.MustCompile(`^([^_]+)_([^_]+)_(.+)-([a-f0-9]{64})\.log$`)
	// dockerPath is where Docker keeps the log of a container, beside its configuration.
	dockerPath = regexp.MustCompile(`[/\\]([a-f0-9]{64})[/\\]([a-f0-9]{64})-json\.log(?:\.\d+)?$`)

	// Names that Kubernetes makes of the name of a workload: the letters and digits of its random parts are without vowels and 0, 1, 3.
	deploymentPod = regexp.MustCompile(`^(.+)-[bcdf-hj-np-tv-xz2456789]{6,10}-[bcdf-hj-np-tv-xz2456789]{5}$`)
	cronPod       = regexp.MustCompile(`^(.+)-\d{8,10}-[bcdf-hj-np-tv-xz2456789]{5}$`)
	daemonPod     = regexp.MustCompile(`^(.+)-[bcdf-hj-np-tv-xz2456789]{5}$`)
	statefulPod   = regexp.MustCompile(`^(.+)-\d{1,4}$`)

	// rotated is what rotation and dates add to the name of a file.
	rotated = regexp.MustCompile(`(?:[-._]\d{4}-?\d{2}-?\d{2}(?:[-T_.]\d{2,6})*|\.\d+|\.log|\.out|\.err|\.txt|\.json|\.old|\.gz)+$`)
)

// describe reads attributes of the resource out of a path, and where it leads.
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

// workload is what a pod belongs to, by its name.
func workload(pod string) string {
	for _, pattern := range []*regexp.Regexp{deploymentPod, cronPod, daemonPod, statefulPod} {
		if m := pattern.FindStringSubmatch(pod); m != nil {
			return m[1]
		}
	}
	return pod
}

// dockerContainer reads the name and the labels of a container, where this process may.
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

// serviceOf is the service that a container's labels name.
func serviceOf(labels map[string]string) string {
	for _, name := range []string{"resource.opentelemetry.io/service.name", "app.kubernetes.io/name", "com.docker.compose.service",
		"com.docker.swarm.service.name", "app", "k8s-app", "io.kubernetes.container.name"} {
		if labels[name] != "" {
			return labels[name]
		}
	}
	return ""
}

// fileService is the name of a file without what rotation adds and without its extension.
func fileService(name string) string {
	if short := rotated.ReplaceAllString(name, ""); short != "" {
		return short
	}
	return name
}
