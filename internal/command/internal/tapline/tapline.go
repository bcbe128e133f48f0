// Package tapline formats a tap's record as one line for a terminal.
package tapline

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/command/internal/adminclient"
)

// record is a line of GET /console/v1/tap/records.
type record struct {
	Time      time.Time      `json:"time"`
	Side      string         `json:"side"`
	Kind      string         `json:"kind"`
	Component string         `json:"component"`
	Signal    string         `json:"signal"`
	Pipeline  string         `json:"pipeline"`
	Tenant    string         `json:"tenant"`
	Cut       bool           `json:"cut"`
	Record    map[string]any `json:"record"`
}

// heads are the fields that begin a line, by signal; attributes, events and the service follow.
var heads = map[string][]string{
	"logs":     {"severity", "event", "body"},
	"traces":   {"name", "kind", "duration_ms", "status", "status_message"},
	"metrics":  {"name", "value", "count", "sum", "unit", "type", "temporality"},
	"profiles": {"samples", "duration_ms"},
}

// Text returns the line without control characters: so data of clients can't move the cursor.
func Text(line []byte) (string, error) {
	var r record
	from := json.NewDecoder(bytes.NewReader(line))
	from.UseNumber()
	if err := from.Decode(&r); err != nil {
		return "", fmt.Errorf("read a record: %w", err)
	}
	parts := []string{r.Time.Local().Format("15:04:05.000"), r.Side, r.Kind, r.Component}
	parts = append(parts, "("+cmp.Or(r.Pipeline, r.Signal)+")")
	if r.Tenant != "default" {
		parts = append(parts, "tenant="+r.Tenant)
	}
	for _, name := range heads[r.Signal] {
		v, ok := r.Record[name]
		if !ok || v == "" {
			continue
		}
		text := value(v)
		if name == "duration_ms" {
			text += "ms"
		}
		parts = append(parts, text)
	}
	attributes, _ := r.Record["attributes"].(map[string]any)
	parts = append(parts, fields(attributes)...)
	if events, ok := r.Record["events"].([]any); ok {
		parts = append(parts, "events="+value(events))
	}
	resource, _ := r.Record["resource"].(map[string]any)
	if service, ok := resource["service.name"]; ok {
		parts = append(parts, "service.name="+value(service))
	}
	if r.Cut {
		parts = append(parts, "(cut)")
	}
	return adminclient.Plain(strings.Join(parts, " ")), nil
}

// fields lists entries as name=value, in the order of their names.
func fields(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for name, v := range m {
		out = append(out, name+"="+value(v))
	}
	slices.Sort(out)
	return out
}

func value(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// JSON returns a line of JSON in which every control character is escaped.
func JSON(line []byte) []byte {
	var out bytes.Buffer
	for _, r := range string(line) {
		if r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.Bytes()
}
