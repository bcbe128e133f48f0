package statistics

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// The pipes whose fields have names that stand in the rows' texts, in the engine's own writing: the pipe up to the next one, its list of fields, and
// the prefix of its fields' names.
var (
	unpacks = regexp.MustCompile(`\bunpack_(?:json|logfmt)\b[^|]*`)
	lists   = regexp.MustCompile(` fields \(([^)]*)\)`)
	prefix  = regexp.MustCompile(` result_prefix "?([^" ]*)`)
)

// CheckForged is Check for a query that may not group by what a sender can write into the field own: texts that are unpacked would overwrite it.
func CheckForged(text, own string) error {
	if err := Check(text); err != nil {
		return err
	}
	q, err := logstorage.ParseQueryAtTimestamp(text, time.Now().UnixNano())
	if err != nil {
		return err
	}
	text = q.String()
	if labels, err := q.GetStatsLabels(); err != nil || !slices.Contains(labels, own) {
		return err
	}
	for _, pipe := range unpacks.FindAllString(text, -1) {
		if !keeps(pipe, own) {
			return fmt.Errorf("%q can overwrite %s, which the query groups by, with what a sender wrote: give it keep_original_fields, a result_prefix, or the names of fields", strings.TrimSpace(pipe), own)
		}
	}
	return nil
}

// keeps says that a pipe leaves a field alone.
func keeps(pipe, own string) bool {
	if strings.Contains(pipe, " keep_original_fields") {
		return true
	}
	if found := prefix.FindStringSubmatch(pipe); found != nil {
		return !strings.HasPrefix(own, found[1])
	}
	found := lists.FindStringSubmatch(pipe)
	return found != nil && !strings.Contains(found[1], "*") && !strings.Contains(found[1], own)
}
