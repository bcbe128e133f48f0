package store

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

const (
	// shrink is how many times shorter each range is that is tried for a query for the newest rows.
	shrink = 4
	// shortest is a range that is not made shorter.
	shortest = 2 * time.Second
)

// readersOption changes no result.
var readersOption = regexp.MustCompile(`^options\(parallel_readers=\d+\) `)

// newest returns a query that has the result of p's and less time, if p's asks for the newest rows, `<filter> | sort by (_time desc) limit n`: the engine would
// look at all rows that the filter selects. It tries ever shorter ends of the time for whether they have n rows, which costs a third of reading the whole at
// the most, where rows are rare, and next to nothing where they are many. Other queries are returned as they are.
func (s *Store) newest(ctx context.Context, p *Prepared) (*logstorage.Query, error) {
	rows, offset, limit := p.Query.GetLastNResultsQuery()
	if rows == nil || slices.Contains(p.hidden, Time) || !sameOverLess(rows) {
		return p.Query, nil
	}
	var of logstorage.StorageStats
	s.engine.UpdateStats(&of)
	from, to := rows.GetFilterTimeRange()
	from, to = max(from, of.MinTimestamp), min(to, of.MaxTimestamp)
	if from > to { // nothing is there, or a day that has just begun
		return p.Query, nil
	}
	start := from
	for length := (to - from) / shrink; length >= int64(shortest); length /= shrink {
		enough, err := s.has(ctx, p, rows, to-length, to, offset+limit)
		if err != nil {
			return nil, err
		}
		if !enough {
			break
		}
		start = to - length
	}
	if start == from {
		return p.Query, nil
	}
	_, end := rows.GetFilterTimeRange()
	return p.Query.CloneWithTimeFilter(p.Query.GetTimestamp(), start, end), nil
}

// has says whether a query has n rows within a time.
func (s *Store) has(ctx context.Context, p *Prepared, rows *logstorage.Query, start, end int64, n uint64) (bool, error) {
	q := rows.CloneWithTimeFilter(rows.GetTimestamp(), start, end)
	q.AddPipeFields([]string{Time})
	q.AddPipeOffsetLimit(0, n)
	var found atomic.Int64
	err := s.engine.RunQuery(p.contextOf(ctx, q), func(_ uint, db *logstorage.DataBlock) { found.Add(int64(db.RowsCount())) })
	if err == nil {
		err = ctx.Err()
	}
	return uint64(found.Load()) >= n, err
}

// sameOverLess says whether a query selects within a shorter time what it selects of it within a longer one: its pipes leave rows and times as they are, and
// it has no query inside, which the shorter time would bound too.
func sameOverLess(q *logstorage.Query) bool {
	text := readersOption.ReplaceAllString(q.String(), "")
	if strings.HasPrefix(text, "options(") {
		return false
	}
	for i, pipe := range strings.Split(text, " | ") { // within a quoted text too: then it is no pipe that is known
		if i > 0 && !strings.HasPrefix(pipe, "fields ") && !strings.HasPrefix(pipe, "delete ") {
			return false
		}
	}
	const mark = "1999-12-31T23:59:58.123456789Z"
	t, _ := time.Parse(time.RFC3339Nano, mark)
	return strings.Count(q.CloneWithTimeFilter(q.GetTimestamp(), t.UnixNano(), t.UnixNano()+1).String(), "["+mark) == 1
}
