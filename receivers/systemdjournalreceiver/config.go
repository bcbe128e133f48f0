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
	// Directory is where the journal's files are. Default: that of this machine.
	Directory string `mapstructure:"directory"`
	// Units is the units to read. Default all.
	Units []string `mapstructure:"units"`
	// Priority is the lowest priority to read, 0 or emerg to 7 or debug. Default all.
	Priority string `mapstructure:"priority"`
	// StartAt is where to begin without a position: end (the default) or beginning.
	StartAt string `mapstructure:"start_at"`
	// Storage is the storage extension that keeps the position. Without one each start begins at StartAt.
	Storage *component.ID `mapstructure:"storage"`
	// ServiceName is the service.name of entries that name no container, unit or program. Default journald.
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
		err = errors.Join(err, fmt.Errorf("start_at: %q is neither end nor beginning", c.StartAt))
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

// arguments are journalctl's behind cursor, which is empty for none.
func (c *Config) arguments(cursor string) []string {
	// Without all, fields of more than 4096 bytes are null.
	all := []string{"--utc", "--output=json", "--follow", "--all"}
	switch {
	case cursor != "":
		all = append(all, "--no-tail", "--after-cursor", cursor)
	case c.StartAt == "beginning":
		all = append(all, "--no-tail")
	default:
		all = append(all, "--lines=0")
	}
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
