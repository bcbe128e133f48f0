package embeddedkafkaextension

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"go.opentelemetry.io/collector/component"
)

const (
	minSegmentBytes = 1 << 20
	// Without segment_size a segment is one segmentShare-th of max_size, within these bounds.
	segmentShare        = 256
	leastSegment   Size = 4 << 20
	largestSegment Size = 16 << 20
	// maxSegmentBytes bounds what a start reads of a partition.
	maxSegmentBytes = 64 << 20
	// minSegments is the smallest number of segments in max_size: half of them are one segment per partition.
	minSegments = 16
)

// Config is the YAML configuration of the extension.
type Config struct {
	// Endpoint is the address to listen on, host:port. Only loopback addresses: there is no authentication. Default
	// 127.0.0.1:9092.
	Endpoint string `mapstructure:"endpoint"`
	// Directory holds the log. Required. One process at a time.
	Directory string `mapstructure:"directory"`
	// MaxSize caps the log on disk: bytes, or a size like 10GiB. Default 0: a quarter of the free disk space when the extension starts, or later if
	// more is free then; at most 10 GiB and at least 256 MiB.
	MaxSize Size `mapstructure:"max_size"`
	// SegmentSize is the size of one file of a partition: bytes, or a size like 16MiB; only whole files are deleted. Default 0: a 256th of
	// the cap, between 4 and 16 MiB.
	SegmentSize Size `mapstructure:"segment_size"`
}

var _ component.Config = (*Config)(nil)

// Validate reports all problems of the configuration at once.
func (c *Config) Validate() (err error) {
	if e := validateEndpoint(c.Endpoint); e != nil {
		err = errors.Join(err, fmt.Errorf("endpoint: %w", e))
	}
	if c.Directory == "" {
		err = errors.Join(err, errors.New("directory: must be set: the log is kept there"))
	}
	if c.SegmentSize != 0 && (c.SegmentSize < minSegmentBytes || c.SegmentSize > maxSegmentBytes) {
		err = errors.Join(err, fmt.Errorf("segment_size: %s is not between %s and %s", c.SegmentSize, Size(minSegmentBytes), Size(maxSegmentBytes)))
	} else if least := minSegments * c.segment(c.MaxSize); c.MaxSize != 0 && c.MaxSize < least {
		err = errors.Join(err, fmt.Errorf("max_size (PENSTOCK_JOURNAL_SIZE in a profile): %s is below %d times segment_size (%s)", c.MaxSize, minSegments, least))
	}
	return err
}

// segment returns the size of a segment in a log of at most limit bytes.
func (c *Config) segment(limit Size) Size {
	if c.SegmentSize != 0 {
		return c.SegmentSize
	}
	return min(max(limit/segmentShare, leastSegment), largestSegment)
}

func validateEndpoint(endpoint string) error {
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		return fmt.Errorf("%q is not host:port: %w", endpoint, err)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q has no port between 0 and 65535", endpoint)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%q is not a loopback address: this broker knows no authentication; use a real Kafka beyond one machine", endpoint)
	}
	return nil
}
