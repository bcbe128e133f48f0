package top

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// About is the used part of GET /console/v1/about.
type About struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Host    string    `json:"host"`
	Since   time.Time `json:"since"`
}

// State is the used part of GET /console/v1/state.
type State struct {
	Now        time.Time         `json:"now"`
	Pipelines  []Pipeline        `json:"pipelines"`
	Groups     map[string]string `json:"groups"`
	Components []Component       `json:"components"`
	Disks      []Disk            `json:"disks"`
}

// Pipeline is a pipeline of the configuration.
type Pipeline struct {
	ID         string   `json:"id"`
	Signal     string   `json:"signal"`
	Receivers  []string `json:"receivers"`
	Processors []string `json:"processors"`
	Exporters  []string `json:"exporters"`
}

// Component is the reported status of a component.
type Component struct {
	Kind      string    `json:"kind"`
	ID        string    `json:"id"`
	Pipelines []string  `json:"pipelines"`
	Error     string    `json:"error"`
	Since     time.Time `json:"since"`
}

// Disk is a file system.
type Disk struct {
	Free  float64 `json:"free"`
	Total float64 `json:"total"`
}

// signals are the names that the collector's own metrics have for items.
var signals = map[string]string{"metrics": "metric_points", "logs": "log_records", "traces": "spans"}

const (
	accepted, refused, receiverFailed = "otelcol_receiver_accepted_", "otelcol_receiver_refused_", "otelcol_receiver_failed_"
	sent, sendFailed                  = "otelcol_exporter_sent_", "otelcol_exporter_send_failed_"
	queueSize, queueCapacity          = "otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity"
	lag, lagDuration                  = "otelcol_receiver_kafka_replay_lag", "otelcol_receiver_kafka_replay_lag_duration"
	deadRead, deadWritten             = "otelcol_receiver_kafka_replay_dead_letters", "otelcol_processor_kafka_replay_dead_letters"
	appended                          = "otelcol_processor_kafka_replay_appended_items"
	journalSize, journalCapacity      = "otelcol_extension_embedded_kafka_size", "otelcol_extension_embedded_kafka_capacity"
	findings, unscanned               = "otelcol_processor_pii_scrubber_findings", "otelcol_processor_pii_scrubber_unscanned"
	guardSeries, guardLimited         = "otelcol_processor_cardinality_guard_active_series", "otelcol_processor_cardinality_guard_limited_points"
	memory, cpu                       = "otelcol_process_memory_rss", "otelcol_process_cpu_seconds"
)

// Names are the metrics that a table needs.
func Names() []string {
	names := []string{queueSize, queueCapacity, lag, lagDuration, deadRead, deadWritten, appended, journalSize, journalCapacity, findings, unscanned, guardSeries, guardLimited, memory, cpu}
	for _, s := range signals {
		names = append(names, accepted+s, refused+s, receiverFailed+s, sent+s, sendFailed+s)
	}
	slices.Sort(names)
	return names
}

func kindOf(id string) string {
	kind, _, _ := strings.Cut(id, "/")
	return kind
}

const journalKind = "kafka_replay"

// source is a receiver that accepts data from outside.
type source struct {
	id            string
	signals       []string
	rate, refused float64
}

// sink is an exporter at the end of a pipeline.
type sink struct {
	id        string
	pipelines map[string]bool
	signals   map[string]bool
	groups    map[string]bool // of the journal; empty: it has its own queue
	followers map[string]bool
	rate      float64
	waiting   float64
	capacity  float64 // of its queue
	oldest    float64 // seconds
	failed    float64 // items per second that it refuses permanently
	trouble   *Component
}

// view is the content of the table.
type view struct {
	about    About
	state    State
	own      Series
	sources  []*source
	sinks    []*sink
	journal  bool
	scrubber bool
	guard    bool
	others   []Component // unhealthy components that are not sinks
}

func (s *Series) total(prefix string, m match) (sum float64) {
	for _, name := range signals {
		sum += s.rate(prefix+name, m)
	}
	return sum
}

func build(about About, state State, own Series) *view {
	v := &view{about: about, state: state, own: own}
	produced, consumed := map[string]bool{}, map[string]bool{} // connectors are exporters of one pipeline and receivers of another
	for _, p := range state.Pipelines {
		for _, id := range p.Exporters {
			produced[id] = true
		}
		for _, id := range p.Receivers {
			consumed[id] = true
		}
	}
	sources, sinks := map[string]*source{}, map[string]*sink{}
	for _, p := range state.Pipelines {
		for _, id := range p.Processors {
			v.journal = v.journal || kindOf(id) == journalKind
			v.scrubber = v.scrubber || kindOf(id) == "pii_scrubber"
			v.guard = v.guard || kindOf(id) == "cardinality_guard"
		}
		for _, id := range p.Receivers {
			if produced[id] || kindOf(id) == journalKind {
				continue
			}
			if sources[id] == nil {
				sources[id] = &source{id: id}
			}
			if !slices.Contains(sources[id].signals, p.Signal) {
				sources[id].signals = append(sources[id].signals, p.Signal)
			}
		}
		for _, id := range p.Exporters {
			if consumed[id] || kindOf(id) == "nop" {
				continue
			}
			if sinks[id] == nil {
				sinks[id] = &sink{id: id, pipelines: map[string]bool{}, signals: map[string]bool{}, groups: map[string]bool{}, followers: map[string]bool{}}
			}
			one := sinks[id]
			one.pipelines[p.ID], one.signals[p.Signal] = true, true
			for _, r := range p.Receivers {
				if group := state.Groups[r]; group != "" {
					one.groups[group], one.followers[r] = true, true
				}
			}
		}
	}
	for _, one := range sources {
		m := match{"receiver": is(one.id)}
		one.rate, one.refused = own.total(accepted, m), own.total(refused, m)+own.total(receiverFailed, m)
		slices.Sort(one.signals)
		v.sources = append(v.sources, one)
	}
	for _, one := range sinks {
		v.measure(one)
		v.sinks = append(v.sinks, one)
	}
	slices.SortFunc(v.sources, func(a, b *source) int { return cmp.Compare(a.id, b.id) })
	slices.SortFunc(v.sinks, func(a, b *sink) int {
		return cmp.Or(order(b.trouble != nil)-order(a.trouble != nil), cmp.Compare(a.id, b.id))
	})
	for _, c := range state.Components {
		if c.Error != "" && !slices.ContainsFunc(v.sinks, func(s *sink) bool { return s.concerns(&c) }) {
			v.others = append(v.others, c)
		}
	}
	return v
}

func order(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (v *view) measure(s *sink) {
	m := match{"exporter": is(s.id)}
	s.rate, s.failed = v.own.total(sent, m), v.own.total(sendFailed, m)
	if len(s.groups) > 0 {
		followed := match{"group": in(s.groups), "signal": in(s.signals)}
		s.waiting, _ = v.own.last(lag, followed)
		s.oldest = v.own.most(lagDuration, followed)
	} else {
		s.waiting, _ = v.own.last(queueSize, m)
		s.capacity, _ = v.own.last(queueCapacity, m)
	}
	for i := range v.state.Components {
		c := &v.state.Components[i]
		// An exporter and the receiver that feeds it report the same error in different words: the receiver's are better.
		if c.Error != "" && s.concerns(c) && (s.trouble == nil || c.Kind == "receiver") {
			s.trouble = c
		}
	}
}

// concerns says whether the component is the sink, or feeds it from the journal.
func (s *sink) concerns(c *Component) bool {
	return c.Kind == "exporter" && c.ID == s.id ||
		c.Kind == "receiver" && s.followers[c.ID] && slices.ContainsFunc(c.Pipelines, func(p string) bool { return s.pipelines[p] })
}
