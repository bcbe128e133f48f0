// Package lokiview shows a stored record as Loki would have it from our loki exporter: its stream's labels, its structured metadata, and the level
// that Loki adds.
package lokiview

import (
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

// DetectedLevelLabel is the structured metadata in which Loki keeps what it takes for an entry's level.
const DetectedLevelLabel = "detected_level"

// levelFields are the names under which Loki looks for a level.
var levelFields = []string{"level", "LEVEL", "Level", "log.level", "severity", "SEVERITY", "Severity", "SeverityText", "lvl", "LVL", "Lvl", "severity_text", "Severity_Text", "SEVERITY_TEXT"}

const unknownLevel = "unknown"

// levelOf is Loki's word for a level's spelling, empty for none.
func levelOf(text string) string {
	switch strings.ToLower(text) {
	case "trace", "trc":
		return "trace"
	case "debug", "dbg":
		return "debug"
	case "info", "inf", "information":
		return "info"
	case "warn", "wrn", "warning":
		return "warn"
	case "error", "err":
		return "error"
	case "critical":
		return "critical"
	case "fatal":
		return "fatal"
	}
	return ""
}

// LevelDetector finds levels. It is not safe for concurrent use.
type LevelDetector struct{ json, logfmt *logqlpipeline.Pipeline }

// NewLevelDetector makes one.
func NewLevelDetector() *LevelDetector {
	return &LevelDetector{compile(&logql.JSON{}), compile(&logql.Logfmt{})}
}

func compile(s logql.Stage) *logqlpipeline.Pipeline {
	p, err := logqlpipeline.Compile("", []logql.Stage{s})
	if err != nil {
		panic("lokiview: " + err.Error()) // a stage without parameters always compiles
	}
	return p
}

// Detect is what Loki takes for the level of an entry: that of its labels or metadata, else one in its line, else unknown.
func (d *LevelDetector) Detect(stream, metadata logqlpipeline.Labels, line string) string {
	for _, labels := range []logqlpipeline.Labels{stream, metadata} {
		for _, name := range levelFields {
			if v := labels.Value(strings.ReplaceAll(name, ".", "_")); v != "" {
				if level := levelOf(v); level != "" {
					return level
				}
				return strings.ToLower(v)
			}
		}
	}
	if n, err := strconv.Atoi(metadata.Value("severity_number")); err == nil && n > 0 && n <= 24 {
		return [...]string{"trace", "debug", "info", "warn", "error", "fatal"}[(n-1)/4]
	}
	if level := d.inFields(line); level != "" {
		return level
	}
	return inWords(line)
}

func (d *LevelDetector) inFields(line string) string {
	parser := d.logfmt
	if strings.HasPrefix(strings.TrimSpace(line), "{") {
		parser = d.json
	} else if !strings.Contains(line, "=") {
		return ""
	}
	record, _ := parser.Run(&logqlpipeline.Entry{Line: line})
	for _, name := range levelFields {
		if v, _ := record.Value(name); v != "" {
			return levelOf(v)
		}
	}
	return ""
}

// inWords looks for the names of levels in the text, the worst first.
func inWords(line string) string {
	lower := strings.ToLower(line)
	for _, word := range []struct{ text, level string }{
		{"trace", "trace"}, {"debug", "debug"}, {"info", "info"}, {"warn", "warn"}, {"error", "error"}, {"err:", "error"}, {"critical", "critical"}, {"fatal", "fatal"},
	} {
		if strings.Contains(lower, word.text) {
			return word.level
		}
	}
	return unknownLevel
}
