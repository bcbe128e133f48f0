package parse

import (
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// DockerLine is a line of Docker's json-file driver: {"log":"text\n","stream":"stdout","time":"..."}. A text without a newline is a part
// of a line that was longer than 16 KiB.
type DockerLine struct {
	Text, Stream string
	Time         time.Time
	// Labels are those that the daemon is configured to add (`attrs`), by name.
	Labels map[string]string
}

// Docker parses a line; ok is false for any other line, including JSON.
func Docker(line string) (found DockerLine, ok bool) {
	if !strings.HasPrefix(line, `{"log":"`) {
		return found, false
	}
	d := decoder{text: line, at: 1}
	for {
		d.space()
		key, err := d.string()
		if err != nil || !d.next(':') {
			return found, false
		}
		d.space()
		if key == "attrs" {
			labels := pcommon.NewMap()
			if d.object(labels, 1) != nil {
				return found, false
			}
			found.Labels = map[string]string{}
			for name, value := range labels.All() {
				found.Labels[name] = value.AsString()
			}
		} else {
			value, err := d.string()
			if err != nil {
				return found, false
			}
			switch key {
			case "log":
				found.Text = value
			case "stream":
				found.Stream = value
			case "time":
				if found.Time, err = time.Parse(time.RFC3339Nano, value); err != nil {
					return found, false
				}
			}
		}
		if d.next('}') {
			return found, (found.Stream == "stdout" || found.Stream == "stderr") && !found.Time.IsZero()
		}
		if !d.next(',') {
			return found, false
		}
	}
}
