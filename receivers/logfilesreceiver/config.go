package logfilesreceiver

import (
	"errors"
	"fmt"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"go.opentelemetry.io/collector/component"
)

const (
	minRecordSize = 4 << 10
	maxRecordSize = 16 << 20
)

// Config is the YAML configuration of the receiver.
type Config struct {
	// Include are the patterns of the files to read: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any directories.
	Include []string `mapstructure:"include"`
	// Exclude are the patterns of files that are not read although they match. Default none.
	Exclude []string `mapstructure:"exclude"`
	// Storage is the storage extension that keeps positions. Without one all files are read from their beginning at each start.
	Storage *component.ID `mapstructure:"storage"`
	// PollInterval is the interval of checks for new text and new files. Default 200ms.
	PollInterval time.Duration `mapstructure:"poll_interval"`
	// FlushTimeout is how long the last line of a file waits for its newline and for further lines of its stack trace. Default 1s.
	FlushTimeout time.Duration `mapstructure:"flush_timeout"`
	// MaxRecordSize bounds a record in bytes. A longer line or stack trace is split into numbered pieces. Default and maximum: 16 MiB,
	// which fit into the 20 MiB that nesting_limit and the journal accept for one item.
	MaxRecordSize int `mapstructure:"max_record_size"`
	// ServiceName is the service.name of files without a pod, container or syslog application. Default: the file's name.
	ServiceName string `mapstructure:"service_name"`
	// IncludeOriginal keeps the original text of each record in log.record.original. Default false.
	IncludeOriginal bool `mapstructure:"include_original"`
}

func createDefaultConfig() component.Config {
	return &Config{PollInterval: 200 * time.Millisecond, FlushTimeout: time.Second, MaxRecordSize: maxRecordSize}
}

// Validate returns all problems at once.
func (c *Config) Validate() (err error) {
	if len(c.Include) == 0 {
		err = errors.New("include: at least one pattern is needed")
	}
	for key, patterns := range map[string][]string{"include": c.Include, "exclude": c.Exclude} {
		for _, pattern := range patterns {
			if !doublestar.ValidatePathPattern(pattern) {
				err = errors.Join(err, fmt.Errorf("%s: %q is not a valid pattern", key, pattern))
			}
		}
	}
	if c.PollInterval <= 0 {
		err = errors.Join(err, fmt.Errorf("poll_interval: %v is not positive", c.PollInterval))
	}
	if c.FlushTimeout <= 0 {
		err = errors.Join(err, fmt.Errorf("flush_timeout: %v is not positive", c.FlushTimeout))
	}
	if c.MaxRecordSize < minRecordSize || c.MaxRecordSize > maxRecordSize {
		err = errors.Join(err, fmt.Errorf("max_record_size: %d is not between %d and %d", c.MaxRecordSize, minRecordSize, maxRecordSize))
	}
	return err
}
