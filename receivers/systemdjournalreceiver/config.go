package systemdjournalreceiver

import (
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/component"
)

// Config is the YAML configuration of the receiver.
type Config struct {
	// JournalctlPath is the program that reads the journal. Default journalctl, found in PATH.
	JournalctlPath string `mapstructure:"journalctl_path"`
	// Directory has the journal's files. Default: that of this machine.
	Directory string `mapstructure:"directory"`
	// Units is the units to read. Default all.
	Units []string `mapstructure:"units"`
	// Priority is the lowest priority to read, 0 or emerg to 7 or debug. Default all.
	Priority string `mapstructure:"priority"`
	// StartAt is where to begin without a position: end (the default) or beginning.
	StartAt string `mapstructure:"start_at"`
	// Storage is the storage extension that keeps the position. Without one each start begins at StartAt.
	Storage *component.ID `mapstructure:"storage"`
	// ServiceName is the service.name of entries without a container, unit or program. Default journald.
	ServiceName string `mapstructure:"service_name"`
}

func createDefaultConfig() component.Config {
	return &Config{JournalctlPath: "journalctl", StartAt: "end", ServiceName: "journald"}
}

// Validate returns all problems at once.
func (c *Config) Validate() (err error) {
	if strings.TrimSpace(c.JournalctlPath) == "" {
		err = errors.New("journalctl_path: is empty")
	}
	if c.StartAt != "end" && c.StartAt != "beginning" {
		err = errors.Join(err, fmt.Errorf("start_at: %q must be end or beginning", c.StartAt))
	}
	for key, value := range map[string]string{"directory": c.Directory, "priority": c.Priority} {
		if strings.HasPrefix(value, "-") {
			err = errors.Join(err, fmt.Errorf("%s: %q would be an option of journalctl", key, value))
		}
	}
	if c.ServiceName == "" {
		err = errors.Join(err, errors.New("service_name: is empty"))
	}
	return err
}

// arguments returns journalctl's arguments to follow the journal after cursor, which is "" for none, and empty for a journal without
// entries.
func (c *Config) arguments(cursor string) []string {
	switch {
	case cursor == empty:
		return c.with("--follow", "--no-tail")
	case cursor != "":
		return c.with("--follow", "--no-tail", "--after-cursor", cursor)
	case c.StartAt == "beginning":
		return c.with("--follow", "--no-tail")
	}
	return c.with("--follow", "--lines=0")
}

// with adds the selection and the output format. Without all, fields of more than 4096 bytes are null.
func (c *Config) with(more ...string) []string {
	all := append([]string{"--utc", "--output=json", "--all"}, more...)
	if c.Directory != "" {
		all = append(all, "--directory", c.Directory)
	}
	for _, unit := range c.Units {
		all = append(all, "--unit", unit)
	}
	if c.Priority != "" {
		all = append(all, "--priority", c.Priority)
	}
	return all
}
