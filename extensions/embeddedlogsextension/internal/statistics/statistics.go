// Package statistics runs a LogsQL query that ends in statistics, and returns its numbers with their labels.
package statistics

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

// Point is a value of a statistic.
type Point struct {
	// Name is the statistic's.
	Name string
	// Place is the statistic's place among those of the query.
	Place int
	// Labels are in the order of the query.
	Labels []Label
	// Time is in Unix nanoseconds.
	Time int64
	// Value is a number as text; other texts are possible, because some statistics are no numbers.
	Value string
}

// Label is a field that the query groups by.
type Label struct{ Name, Value string }

// TooManyError says that a query has more points than the caller takes.
type TooManyError struct{ Most int }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("the query returns more than %d series", e.Most)
}

// Check says what is wrong with a query that shall return statistics.
func Check(text string) error {
	q, err := logstorage.ParseQueryAtTimestamp(text, time.Now().UnixNano())
	if err != nil {
		return err
	}
	_, err = q.GetStatsLabels()
	return err
}

// Of runs a query; labels are the names that the query's GetStatsLabels returned. Fields that are no labels are statistics; a histogram is one
// for each of its buckets. inTime: _time is the time of a point, and no label; else each point has the query's time. most bounds the points, 0 does not: the error is a *TooManyError then. Other errors are those of [store.Store.RunPrepared].
func Of(ctx context.Context, s *store.Store, p *store.Prepared, labels []string, inTime bool, most int) ([]Point, error) {
	var points []Point
	err := s.RunPrepared(ctx, p, func(b *store.Block) error {
		columns := b.Columns()
		for i := range b.Len() {
			at := p.Query.GetTimestamp()
			var of []Label
			for _, c := range columns {
				switch {
				case inTime && c.Name == store.Time:
					if t, ok := logstorage.TryParseTimestampRFC3339Nano(c.Values[i]); ok {
						at = t
					}
				case slices.Contains(labels, c.Name):
					of = append(of, Label{strings.Clone(c.Name), strings.Clone(c.Values[i])})
				}
			}
			place := 0
			for _, c := range columns {
				if !slices.Contains(labels, c.Name) && (!inTime || c.Name != store.Time) {
					points = appendStatistic(points, Point{strings.Clone(c.Name), place, of, at, strings.Clone(c.Values[i])})
					place++
				}
			}
			if most > 0 && len(points) > most {
				return &TooManyError{most}
			}
		}
		return nil
	})
	return points, err
}

// bucket is one of a histogram's, as the engine writes them.
type bucket struct {
	Range string `json:"vmrange"`
	Hits  uint64 `json:"hits"`
}

func appendStatistic(to []Point, p Point) []Point {
	var buckets []bucket
	if p.Value != "[]" && !strings.HasPrefix(p.Value, `[{"vmrange":`) || json.Unmarshal([]byte(p.Value), &buckets) != nil {
		return append(to, p)
	}
	for _, b := range buckets {
		one := p
		one.Name = p.Name + "_bucket"
		one.Labels = append(slices.Clone(p.Labels), Label{"vmrange", b.Range})
		one.Value = strconv.FormatUint(b.Hits, 10)
		to = append(to, one)
	}
	return to
}
