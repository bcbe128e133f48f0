package logqlengine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlengine"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqltest"
)

func label(name, value string) logqlpipeline.Label {
	return logqlpipeline.Label{Name: name, Value: value}
}

func thousand() (all logqltest.Source) {
	for i := range 1000 {
		all = append(all, logqlpipeline.Entry{
			Time: int64(i) * int64(time.Second), Line: fmt.Sprintf("n=%d", i),
			Stream: logqlpipeline.NewLabels(label("app", "a")), Metadata: logqlpipeline.NewLabels(label("id", fmt.Sprint(i))),
		})
	}
	return all
}

func parse(t testing.TB, query string) logql.Expr {
	t.Helper()
	e, err := logql.Parse(query, logql.DefaultLimits)
	require.NoError(t, err)
	return e
}

// Each bound is kept, and the refusal names it.
func TestQueriesAreBounded(t *testing.T) {
	small := logqlengine.Limits{
		Entries: 10, Series: 20, InnerSeries: 50, Steps: 100, Cells: 6000, Samples: 500, Work: 5000, HeldBytes: 4000, ScannedBytes: 3000, Timeout: time.Minute,
	}
	generous := logqlengine.DefaultLimits
	for name, test := range map[string]struct {
		query  string
		step   time.Duration
		change func(*logqlengine.Limits)
		says   string
	}{
		"entries":       {`{app="a"}`, 0, func(l *logqlengine.Limits) { l.Entries = small.Entries }, "limit > max_entries_limit_per_query (5000 > 10)"},
		"series":        {`count_over_time({app="a"}[30s])`, time.Second, func(l *logqlengine.Limits) { l.Series = small.Series }, "maximum number of series (20) reached"},
		"steps":         {`sum(count_over_time({app="a"}[30s]))`, time.Second, func(l *logqlengine.Limits) { l.Steps = small.Steps }, "maximum resolution of 100 points"},
		"cells":         {`count_over_time({app="a"}[30s])`, time.Second, func(l *logqlengine.Limits) { l.Cells = small.Cells }, "more than 6000 values"},
		"samples":       {`sum(sum_over_time({app="a"} | logfmt | unwrap n [30s]))`, time.Second, func(l *logqlengine.Limits) { l.Samples = small.Samples }, "more than 500 unwrapped values"},
		"work":          {`sum(sum_over_time({app="a"} | logfmt | unwrap n [10m]))`, time.Second, func(l *logqlengine.Limits) { l.Work = small.Work }, "look at more than 5000 values"},
		"held_bytes":    {`{app="a"}`, 0, func(l *logqlengine.Limits) { l.HeldBytes = small.HeldBytes }, "more than 4000 bytes"},
		"scanned_bytes": {`{app="a"} |= "nothing"`, 0, func(l *logqlengine.Limits) { l.ScannedBytes = small.ScannedBytes }, "read more than 3000 bytes"},
		"timeout":       {`{app="a"} |= "nothing"`, 0, func(l *logqlengine.Limits) { l.Timeout = 1 }, "took longer than 1ns"},
	} {
		limits := generous
		test.change(&limits)
		e := logqlengine.New(thousand(), limits)
		q := parse(t, test.query)
		var err error
		if lines, ok := q.(*logql.LogQuery); ok {
			_, _, err = e.Lines(t.Context(), test.query, lines, logqlengine.Lines{To: int64(time.Hour), Limit: 5000})
		} else {
			_, _, err = e.Range(t.Context(), test.query, q, 0, int64(1000*time.Second), test.step)
		}
		var limit *logqlengine.LimitError
		if assert.ErrorAs(t, err, &limit, name) {
			assert.Equal(t, name, limit.Reason)
			assert.Contains(t, err.Error(), test.says)
		}
	}
	limits := generous
	limits.InnerSeries = small.InnerSeries
	_, _, _, err := logqlengine.New(thousand(), limits).Instant(t.Context(), "", parse(t, `count(count_over_time({app="a"}[1h]))`), int64(time.Hour))
	assert.ErrorContains(t, err, "more than 50 series before it aggregates them")
	// What is grouped as it is read holds no series in between.
	series, _, _, err := logqlengine.New(thousand(), limits).Instant(t.Context(), "", parse(t, `sum(count_over_time({app="a"}[1h]))`), int64(1000*time.Second))
	require.NoError(t, err)
	assert.Equal(t, 1000.0, series[0].Points[0].Value)
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := logqlengine.New(thousand(), logqlengine.DefaultLimits).Lines(ctx, "", parse(t, `{app="a"}`).(*logql.LogQuery), logqlengine.Lines{To: int64(time.Hour), Limit: 10})
	assert.ErrorIs(t, err, context.Canceled)
}

// looks records the times that were asked for.
type looks struct {
	logqltest.Source
	from []int64
}

func (l *looks) Select(ctx context.Context, s logqlengine.Selection, each func(*logqlpipeline.Entry) error) error {
	l.from = append(l.from, s.From)
	return l.Source.Select(ctx, s, each)
}

// The newest lines of a long time are found without reading all of it, and the slices leave nothing out.
func TestSlices(t *testing.T) {
	source := &looks{Source: thousand()}
	e := logqlengine.New(source, logqlengine.DefaultLimits)
	q := parse(t, `{app="a"}`).(*logql.LogQuery)
	lines, stats, err := e.Lines(t.Context(), "", q, logqlengine.Lines{To: int64(1000 * time.Second), Limit: 50})
	require.NoError(t, err)
	assert.Len(t, lines, 50)
	assert.Equal(t, "n=999", lines[0].Text)
	assert.Equal(t, []int64{int64(940 * time.Second)}, source.from)
	assert.Equal(t, int64(60), stats.Lines)

	for _, forward := range []bool{true, false} {
		lines, _, err = e.Lines(t.Context(), "", q, logqlengine.Lines{To: int64(1000 * time.Second), Limit: 2000, Forward: forward})
		require.NoError(t, err)
		require.Len(t, lines, 1000)
		for i, line := range lines {
			at := i
			if !forward {
				at = 999 - i
			}
			require.Equal(t, int64(at)*int64(time.Second), line.Time)
		}
	}
}

// A limit keeps the lines that are first in the direction, whatever the order in which a source has them.
func TestLimitKeepsTheFirst(t *testing.T) {
	source := thousand()
	for i := range source { // 7 is prime to 1000
		j := i * 7 % 1000
		source[i], source[j] = source[j], source[i]
	}
	q := parse(t, `{app="a"} != "9"`).(*logql.LogQuery)
	lines, _, err := logqlengine.New(source, logqlengine.DefaultLimits).Lines(t.Context(), "", q, logqlengine.Lines{To: int64(time.Hour), Limit: 30})
	require.NoError(t, err)
	var texts []string
	for _, l := range lines {
		texts = append(texts, strings.TrimPrefix(l.Text, "n="))
	}
	assert.Len(t, texts, 30)
	assert.Equal(t, "888", texts[0])
	assert.Equal(t, "887", texts[1])
	assert.Equal(t, "856", texts[29])
}
