package consoleextension

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/penstockhq/penstock/internal/freespace"
)

// state is what one component of some pipelines says of itself.
type state struct {
	Kind      string   `json:"kind"`
	ID        string   `json:"id"`
	Pipelines []string `json:"pipelines"`
	Status    string   `json:"status"` // ok, starting, stopping, stopped, recoverable, permanent or fatal
	// Error is what is wrong, for people.
	Error string `json:"error,omitempty"`
	// Since is when it began to be so.
	Since time.Time `json:"since"`
}

// states are the last ones that components have reported. The zero value is ready; it is safe for concurrent use. Memory: one entry for
// each component of the configuration.
type states struct {
	mu  sync.Mutex
	all map[*componentstatus.InstanceID]*state // guarded by mu
}

func (s *states) changed(source *componentstatus.InstanceID, e *componentstatus.Event) {
	now := state{Kind: strings.ToLower(source.Kind().String()), ID: source.ComponentID().String(), Pipelines: []string{}, Status: statusName(e.Status()), Since: e.Timestamp().UTC()}
	source.AllPipelineIDs(func(p pipeline.ID) bool {
		now.Pipelines = append(now.Pipelines, p.String())
		return true
	})
	slices.Sort(now.Pipelines)
	if e.Err() != nil {
		now.Error = strings.ReplaceAll(e.Err().Error(), "\n", "; ")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*componentstatus.InstanceID]*state{}
	}
	if old := s.all[source]; old != nil && old.Status == now.Status {
		now.Since = old.Since
	}
	s.all[source] = &now
}

// list returns all of them, in order of kind and id.
func (s *states) list() []state {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []state{}
	for _, one := range s.all {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b state) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID), slices.Compare(a.Pipelines, b.Pipelines))
	})
	return all
}

func statusName(s componentstatus.Status) string {
	switch s {
	case componentstatus.StatusOK:
		return "ok"
	case componentstatus.StatusRecoverableError:
		return "recoverable"
	case componentstatus.StatusPermanentError:
		return "permanent"
	case componentstatus.StatusFatalError:
		return "fatal"
	case componentstatus.StatusStopping:
		return "stopping"
	case componentstatus.StatusStopped:
		return "stopped"
	}
	return "starting"
}

// pipelineParts is one pipeline of the configuration.
type pipelineParts struct {
	ID         string   `json:"id"`
	Signal     string   `json:"signal"`
	Receivers  []string `json:"receivers"`
	Processors []string `json:"processors"`
	Exporters  []string `json:"exporters"`
}

// pipelines returns those of the configuration, in order of their ids. Nothing else of the configuration is shown: it has secrets.
func pipelines(conf *confmap.Conf) []pipelineParts {
	all := []pipelineParts{}
	if conf == nil {
		return all
	}
	configured, _ := conf.Get("service::pipelines").(map[string]any)
	for id, parts := range configured {
		signal, _, _ := strings.Cut(id, "/")
		lists, _ := parts.(map[string]any)
		all = append(all, pipelineParts{id, signal, texts(lists["receivers"]), texts(lists["processors"]), texts(lists["exporters"])})
	}
	slices.SortFunc(all, func(a, b pipelineParts) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// groups are the consumer groups of receivers that follow the journal, by the receivers' ids.
func groups(conf *confmap.Conf) map[string]string {
	all := map[string]string{}
	if conf == nil {
		return all
	}
	receivers, _ := conf.Get("receivers").(map[string]any)
	for id, one := range receivers {
		settings, _ := one.(map[string]any)
		follow, _ := settings["follow"].(map[string]any)
		if group, ok := follow["group"].(string); ok {
			all[id] = group
		}
	}
	return all
}

// jobs are the receivers that take replay jobs, with the signals that they can replay.
func jobs(conf *confmap.Conf) map[string][]string {
	all := map[string][]string{}
	for _, p := range pipelines(conf) {
		for _, id := range p.Receivers {
			if conf.Get("receivers::"+id+"::jobs") != nil && !slices.Contains(all[id], p.Signal) {
				all[id] = append(all[id], p.Signal)
			}
		}
	}
	for id := range all {
		slices.Sort(all[id])
	}
	return all
}

// disk is a file system that something is stored on.
type disk struct {
	// Paths are the directories of the configuration that lie there.
	Paths []string `json:"paths"`
	Free  uint64   `json:"free"`
	Total uint64   `json:"total"`
}

// disks looks at the directories that the configuration names.
func disks(conf *confmap.Conf) []disk {
	all := []disk{}
	for _, path := range directories(conf) {
		s, err := freespace.Look(path)
		if err != nil { // it is not there yet
			continue
		}
		i := slices.IndexFunc(all, func(d disk) bool { return d.Total == s.Total && d.Free/(64<<20) == s.Free/(64<<20) })
		if i < 0 {
			all = append(all, disk{[]string{path}, s.Free, s.Total})
		} else {
			all[i].Paths = append(all[i].Paths, path)
		}
	}
	return all
}

// directories are those of extensions, and of exporters that write into local ones.
func directories(conf *confmap.Conf) (all []string) {
	if conf == nil {
		return nil
	}
	for section, key := range map[string]string{"extensions": "directory", "exporters": "url"} {
		parts, _ := conf.Get(section).(map[string]any)
		for _, one := range parts {
			settings, _ := one.(map[string]any)
			path, _ := settings[key].(string)
			path = strings.TrimPrefix(path, "file://")
			if path != "" && !strings.Contains(path, "://") && !slices.Contains(all, path) {
				all = append(all, path)
			}
		}
	}
	slices.Sort(all)
	return all
}

func texts(list any) []string {
	out := []string{}
	parts, _ := list.([]any)
	for _, p := range parts {
		if text, ok := p.(string); ok {
			out = append(out, text)
		}
	}
	return out
}
