package profileprovider

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"maps"

	"go.opentelemetry.io/collector/confmap"
)

//go:embed fragments/*.yaml
var files embed.FS

// compose merges the fragments that apply, in order. Maps merge key by key, lists are appended, so a fragment can
// add a processor to a pipeline or an exporter to another.
func compose(fragments []fragment, around surroundings) (map[string]any, error) {
	whole := map[string]any{}
	for _, f := range fragments {
		if f.when != nil && !f.when(around) {
			continue
		}
		part, err := load(f)
		if err != nil {
			return nil, err
		}
		merge(whole, part)
		if f.fill != nil {
			merge(whole, f.fill(around))
		}
	}
	return whole, dropUnfed(whole)
}

func load(f fragment) (map[string]any, error) {
	text, err := files.ReadFile("fragments/" + f.name + ".yaml")
	if err != nil {
		return nil, err
	}
	parsed, err := confmap.NewRetrievedFromYAML(bytes.ReplaceAll(text, []byte("<sink>"), []byte(f.sink)))
	if err != nil {
		return nil, fmt.Errorf("fragment %s: %w", f.name, err)
	}
	raw, err := parsed.AsRaw()
	if err != nil {
		return nil, fmt.Errorf("fragment %s: %w", f.name, err)
	}
	part, ok := raw.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("fragment %s: not a map", f.name)
	}
	return part, nil
}

// merge adds part to whole, which then shares memory with it.
func merge(whole, part map[string]any) {
	for key, value := range part {
		switch old := whole[key].(type) {
		case map[string]any:
			if add, ok := value.(map[string]any); ok {
				merge(old, add)
				continue
			}
		case []any:
			if add, ok := value.([]any); ok {
				whole[key] = append(old, add...)
				continue
			}
		}
		whole[key] = value
	}
}

// dropUnfed removes pipelines whose signal has no sink: their data would be lost. A client that sends such a signal gets an error. A Kafka counts
// as a sink, because others can follow it; the one in this process does not, because it would fill up.
func dropUnfed(conf map[string]any) error {
	service, _ := conf["service"].(map[string]any)
	pipelines, _ := service["pipelines"].(map[string]any)
	fed, followed := map[string]bool{}, map[string]bool{}
	for id, p := range pipelines {
		followed[signalOf(id)] = followed[signalOf(id)] || follows(p)
	}
	extensions, _ := conf["extensions"].(map[string]any)
	_, embedded := extensions["embedded_kafka"]
	maps.DeleteFunc(pipelines, func(id string, p any) bool {
		return embedded && contains(p, "processors", journal) && !followed[signalOf(id)]
	})
	for id, p := range pipelines {
		if contains(p, "receivers", forward) {
			fed[signalOf(id)] = true
		}
	}
	maps.DeleteFunc(pipelines, func(id string, p any) bool {
		return contains(p, "exporters", forward) && !fed[signalOf(id)]
	})
	if len(pipelines) == 0 {
		return errors.New("the data has no destination: set " + sinkVariables())
	}
	return nil
}
