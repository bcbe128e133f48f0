package lokiexporter

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/line"
	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/streamlimit"
)

const (
	// unknownService is Loki's own name for a stream without a service name.
	unknownService = "unknown_service"
	noLabels       = `{service_name="` + unknownService + `"}`
)

// policy decides which attributes become stream labels. It is immutable and safe for concurrent use.
type policy struct {
	labels     []LabelConfig
	byName     []int // positions in labels, sorted by label name
	dynamic    []int // labels that depend on the record: they have record or severity
	valueBytes int
	// late is the position of the label for late entries, -1 for none; behind is the age from which entries are late.
	late   int
	behind time.Duration
}

func newPolicy(cfg *Config) *policy {
	p := &policy{valueBytes: cfg.Limits.LabelValueBytes, late: -1, behind: cfg.Limits.MaxBehind}
	labels := slices.Clone(cfg.Labels)
	if cfg.LateLabel != "" && p.behind > 0 {
		p.late = len(labels)
		labels = append(labels, LabelConfig{Name: cfg.LateLabel})
	}
	p.labels = labels
	for i, l := range labels {
		p.byName = append(p.byName, i)
		if len(l.Record) > 0 || l.Severity {
			p.dynamic = append(p.dynamic, i)
		}
	}
	slices.SortFunc(p.byName, func(a, b int) int { return cmp.Compare(labels[a].Name, labels[b].Name) })
	return p
}

// render writes the labels that are not moved as text, in Loki's own format.
func (p *policy) render(values []string, moved streamlimit.Moved) string {
	buf := make([]byte, 0, 128)
	buf = append(buf, '{')
	for _, i := range p.byName {
		if values[i] == "" || moved.Has(i) {
			continue
		}
		if len(buf) > 1 {
			buf = append(buf, ", "...)
		}
		buf = append(buf, p.labels[i].Name...)
		buf = append(buf, '=')
		buf = strconv.AppendQuote(buf, values[i])
	}
	if len(buf) == 1 {
		return noLabels
	}
	return string(append(buf, '}'))
}

// lateWindow is the beginning (ns) of the window that contains a late time, 0 if the time is not late.
//
// Loki refuses entries that are older than the newest of their stream by more than max_behind. After an outage, when one journal partition
// has caught up and another has not, and in a replay, those would be most of the data. If each window no longer than max_behind is a
// separate stream, Loki never refuses them for that reason.
func (p *policy) lateWindow(nanos int64, now time.Time) int64 {
	if p.late < 0 || now.UnixNano()-nanos <= int64(p.behind) {
		return 0
	}
	return nanos - nanos%int64(p.behind)
}

// setLate sets the value of the label for late entries.
func (p *policy) setLate(values []string, window int64) {
	if p.late < 0 {
		return
	}
	values[p.late] = ""
	if window != 0 {
		values[p.late] = time.Unix(0, window).UTC().Format(time.RFC3339)
	}
}

// movedLast are the labels that the limit moves only if no other is left.
func (p *policy) movedLast() streamlimit.Moved {
	if p.late < 0 {
		return 0
	}
	return 1 << p.late
}

// labelMap parses the output of render.
func labelMap(text string) map[string]string {
	labels := make(map[string]string)
	for text = strings.TrimPrefix(text, "{"); text != "" && text != "}"; {
		name, rest, _ := strings.Cut(text, "=")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			break
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			break
		}
		labels[name] = value
		text = strings.TrimPrefix(rest[len(quoted):], ", ")
	}
	return labels
}

// resource sets what depends only on the resource: the values of all labels, and the attributes that need not be repeated as metadata
// because a label contains their full value.
func (p *policy) resource(attributes pcommon.Map, values []string) (used map[string]bool) {
	for i, l := range p.labels {
		values[i] = l.Value
		for _, key := range l.Resource {
			v, ok := attributes.Get(key)
			if !ok {
				continue
			}
			text, whole := p.value(v)
			if text == "" {
				continue
			}
			values[i] = text
			if whole && len(l.Record) == 0 && !l.Severity {
				if used == nil {
					used = make(map[string]bool, len(p.labels))
				}
				used[key] = true
			}
			break
		}
	}
	return used
}

// record sets the values that depend on the record. used gets the position of each label's attribute key, -1 if no attribute is completely
// in the label.
func (p *policy) record(lr plog.LogRecord, resourceValues, values []string, used []string) {
	for at, i := range p.dynamic {
		l := p.labels[i]
		values[i], used[at] = resourceValues[i], ""
		fromResource := len(l.Resource) > 0 && resourceValues[i] != l.Value
		if l.Severity && !fromResource {
			if level := levelOf(lr); level != "" {
				values[i] = level
			}
		}
		for _, key := range l.Record {
			v, ok := lr.Attributes().Get(key)
			if !ok {
				continue
			}
			text, whole := p.value(v)
			if text == "" {
				continue
			}
			values[i] = text
			if whole {
				used[at] = key
			}
			break
		}
	}
}

// value returns v as a label value; whole is false if it had to be cut or repaired.
func (p *policy) value(v pcommon.Value) (text string, whole bool) {
	full := v.AsString()
	text = line.Truncate(strings.ToValidUTF8(full, "\uFFFD"), p.valueBytes)
	return text, text == full
}

var levels = [...]string{"trace", "debug", "info", "warn", "error", "fatal"}

// levelOf is bounded: one of levels, or empty. Severity numbers come in fours
// (https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber).
func levelOf(lr plog.LogRecord) string {
	if n := lr.SeverityNumber(); n >= 1 && n <= 24 {
		return levels[(n-1)/4]
	}
	text := lr.SeverityText()
	if text == "" || len(text) > len("information") {
		return ""
	}
	switch strings.ToLower(text) {
	case "trace":
		return "trace"
	case "debug":
		return "debug"
	case "info", "information", "notice":
		return "info"
	case "warn", "warning":
		return "warn"
	case "error", "err":
		return "error"
	case "fatal", "critical", "crit", "alert", "emerg", "emergency", "panic":
		return "fatal"
	}
	return ""
}
