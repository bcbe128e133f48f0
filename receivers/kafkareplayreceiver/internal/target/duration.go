package target

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// duration is a duration in the YAML of a store's configuration, such as 1w or 2h30m.
type duration struct {
	set bool
	d   time.Duration
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *duration) UnmarshalYAML(node *yaml.Node) error {
	parsed, err := model.ParseDuration(node.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	d.set, d.d = true, time.Duration(parsed)
	return nil
}

// or returns the duration, or missing if the configuration has none.
func (d duration) or(missing time.Duration) time.Duration {
	if d.set {
		return d.d
	}
	return missing
}
