// Package behind looks at the configuration of the pipelines behind a receiver for components that answer before they have delivered.
package behind

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
)

// collecting are the processors that answer before they have passed on.
var collecting = []string{"batch", "groupbytrace", "interval", "logdedup", "tail_sampling"}

// queueing are the exporters that have a queue in memory unless they are told otherwise. Others have one where it is written.
var queueing = []string{"kafka", "loadbalancing", "opensearch", "otlp", "otlp_grpc", "otlp_http", "otlphttp", "prometheusremotewrite", "prometheus_tsdb"}

// configured is an extension that knows the collector's configuration: `admin` does.
type configured interface {
	EffectiveConfig() *confmap.Conf
}

// Check refuses what would answer before it has delivered, in the pipelines that receiver id feeds: a crash loses what it
// holds. Where no extension knows the configuration nothing can be seen, and nothing is refused.
func Check(host component.Host, id component.ID, signal string) error {
	for _, e := range host.GetExtensions() {
		if c, ok := e.(configured); ok {
			if conf := c.EffectiveConfig(); conf != nil {
				return behind(conf, id.String(), signal, map[string]bool{})
			}
		}
	}
	return nil
}

// behind follows pipelines of signal from the receiver or connector called source.
func behind(conf *confmap.Conf, source, signal string, seen map[string]bool) (problems error) {
	pipelines, _ := conf.Get("service::pipelines").(map[string]any)
	for name, p := range pipelines {
		parts, _ := p.(map[string]any)
		kind, _, _ := strings.Cut(name, "/")
		if kind != signal || seen[name] || !slices.Contains(ids(parts["receivers"]), source) {
			continue
		}
		seen[name] = true
		for _, id := range ids(parts["processors"]) {
			if slices.Contains(collecting, typeOf(id)) {
				problems = errors.Join(problems, fmt.Errorf("pipelines::%s: processor %s answers before it has passed on, and loses what it "+
					"holds when the process is killed: put it in front of the journal, or leave it out (range::max_wait collects)", name, id))
			}
		}
		for _, id := range ids(parts["exporters"]) {
			if conf.IsSet("connectors::" + id) {
				problems = errors.Join(problems, behind(conf, id, signal, seen))
			} else if queuesInMemory(conf, id) {
				problems = errors.Join(problems, fmt.Errorf("pipelines::%s: exporter %s has a queue in memory, and loses what it holds when "+
					"the process is killed: set exporters::%s::sending_queue::enabled: false, the journal is the queue", name, id, id))
			}
		}
	}
	return problems
}

func queuesInMemory(conf *confmap.Conf, exporter string) bool {
	key := "exporters::" + exporter + "::sending_queue"
	if !conf.IsSet(key) {
		return slices.Contains(queueing, typeOf(exporter))
	}
	queue, on := conf.Get(key).(map[string]any) // nil: off, as the collector writes it when it adds defaults
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
