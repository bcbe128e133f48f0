// Package downstream checks the configuration of the pipelines downstream of a receiver: all components must be synchronous, which means that
// they acknowledge data only after they have delivered it.
package downstream

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.uber.org/zap"
)

// passing are the processors that acknowledge data after the next component has: ours, and others whose source shows it.
var passing = []string{
	"cardinality_guard", "kafka_replay", "pii_scrubber", "window_rollup",
	"attributes", "cumulativetodelta", "deltatocumulative", "deltatorate", "dns_lookup", "dnslookup", "experimental_metricsgeneration", "filter", "geoip",
	"k8s_attributes", "k8sattributes", "lookup", "memory_limiter", "metricsgeneration", "metricstransform", "metrics_transform", "probabilistic_sampler", "redaction",
	"resource", "resource_detection", "resourcedetection", "schema", "span", "transform", "unroll",
}

// collecting are the processors that are known to acknowledge data before: a configuration can't allow them.
var collecting = []string{"batch", "groupbytrace", "group_by_trace", "interval", "logdedup", "log_dedup", "tail_sampling"}

// queueing are the exporters that are synchronous when their sending_queue is off, and that have a queue by default; delivering are those
// that have no queue by default.
var (
	queueing = []string{
		"otlp", "otlp_grpc", "otlp_http", "otlphttp", "prometheusremotewrite", "prometheus_remote_write", "prometheus_tsdb",
	}
	delivering = []string{"debug", "embedded_logs", "loki", "nop", "parquet"}
)

// connecting are the connectors that acknowledge data after they have passed it on or counted it.
var connecting = []string{"count", "forward", "routing", "signal_to_metrics", "signaltometrics", "sum"}

// configured is an extension that knows the collector's configuration: `admin` does.
type configured interface {
	EffectiveConfig() *confmap.Conf
}

// Checker checks the pipelines of receivers. The zero value is ready. It is safe for concurrent use.
type Checker struct{ warned sync.Once }

// Check refuses components that are not known to be synchronous, in the pipelines of signal that receiver id feeds, because a crash loses
// the data in them. It accepts the types in allow, the value of key, without a check. If no extension knows the configuration, Check can't
// see the pipelines; it then writes one warning to log, however many receivers are checked.
func (c *Checker) Check(host component.Host, id component.ID, signal, key string, allow []string, log *zap.Logger) error {
	for _, e := range host.GetExtensions() {
		if knows, ok := e.(configured); ok {
			if conf := knows.EffectiveConfig(); conf != nil {
				w := walk{conf: conf, key: key, allow: allow, seen: map[string]bool{}}
				return w.check(id.String(), signal)
			}
		}
	}
	c.warned.Do(func() {
		log.Warn("The components downstream of the journal are not checked: one that acknowledges data before it has delivered it loses that data when the process is " +
			"killed. Add the extension admin, which knows the configuration")
	})
	return nil
}

// CheckAllow reports invalid entries of an allow list.
func CheckAllow(key string, allow []string) (err error) {
	for _, kind := range allow {
		if _, e := component.NewType(kind); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %q is not the type of a component, such as groupbyattrs", key, kind))
		} else if slices.Contains(collecting, kind) {
			err = errors.Join(err, fmt.Errorf("%s: %s acknowledges data before it has passed it on, and loses it when the process is killed: it can't be downstream of the journal", key, kind))
		}
	}
	return err
}

// walk is a traversal of the pipelines.
type walk struct {
	conf  *confmap.Conf
	key   string // key of allow
	allow []string
	seen  map[string]bool // pipeline names
}

// check checks the pipelines of signal downstream of source, a receiver or connector; an empty signal means any.
func (w *walk) check(source, signal string) (problems error) {
	pipelines, _ := w.conf.Get("service::pipelines").(map[string]any)
	for name, p := range pipelines {
		parts, _ := p.(map[string]any)
		kind, _, _ := strings.Cut(name, "/")
		if (signal != "" && kind != signal) || w.seen[name] || !slices.Contains(ids(parts["receivers"]), source) {
			continue
		}
		w.seen[name] = true
		for _, id := range ids(parts["processors"]) {
			problems = errors.Join(problems, w.processor(name, id))
		}
		for _, id := range ids(parts["exporters"]) {
			if !w.conf.IsSet("connectors::" + id) {
				problems = errors.Join(problems, w.exporter(name, id))
				continue
			}
			problems = errors.Join(problems, w.connector(name, id), w.check(id, signalAfter(id, kind)))
		}
	}
	return problems
}

// signalAfter returns the signal that a connector makes of kind: forward and routing pass on the same signal, others may make another one
// (empty: any).
func signalAfter(id, kind string) string {
	if t := typeOf(id); t == "forward" || t == "routing" {
		return kind
	}
	return ""
}

func (w *walk) processor(pipeline, id string) error {
	kind := typeOf(id)
	switch {
	case slices.Contains(collecting, kind):
		return fmt.Errorf("pipelines::%s: processor %s acknowledges data before it has passed it on, "+
			"and loses it when the process is killed: put it in front of the journal, or remove it (range::max_wait batches instead)", pipeline, id)
	case slices.Contains(passing, kind), slices.Contains(w.allow, kind):
		return nil
	}
	return w.unknown(pipeline, "processor", id, "passed it on")
}

func (w *walk) connector(pipeline, id string) error {
	if kind := typeOf(id); slices.Contains(connecting, kind) || slices.Contains(w.allow, kind) {
		return nil
	}
	return w.unknown(pipeline, "connector", id, "passed it on")
}

func (w *walk) exporter(pipeline, id string) error {
	kind := typeOf(id)
	known := slices.Contains(queueing, kind)
	if !known && !slices.Contains(delivering, kind) && !slices.Contains(w.allow, kind) {
		return w.unknown(pipeline, "exporter", id, "delivered it")
	}
	if w.queuesInMemory(id, known) {
		return fmt.Errorf("pipelines::%s: exporter %s has a queue in memory, and loses its content when "+
			"the process is killed: set exporters::%s::sending_queue::enabled: false, because the journal is the queue", pipeline, id, id)
	}
	return nil
}

func (w *walk) unknown(pipeline, what, id, done string) error {
	return fmt.Errorf("pipelines::%s: %s %s is not known to acknowledge data only after it has %s, and a crash could lose data: put it in front of the journal; "+
		"if it does wait, without a queue or a timer, add %s to %s", pipeline, what, id, done, typeOf(id), w.key)
}

// queuesInMemory reports whether an exporter has a queue in memory; byDefault: it has one unless the configuration disables it.
func (w *walk) queuesInMemory(exporter string, byDefault bool) bool {
	key := "exporters::" + exporter + "::sending_queue"
	if !w.conf.IsSet(key) {
		return byDefault
	}
	queue, on := w.conf.Get(key).(map[string]any) // nil: off; the collector writes it so when it adds defaults
	return on && queue["enabled"] != false && queue["storage"] == nil && queue["wait_for_result"] != true
}

func ids(list any) (all []string) {
	items, _ := list.([]any)
	for _, item := range items {
		if id, ok := item.(string); ok {
			all = append(all, id)
		}
	}
	return all
}

func typeOf(id string) string {
	kind, _, _ := strings.Cut(id, "/")
	return kind
}
