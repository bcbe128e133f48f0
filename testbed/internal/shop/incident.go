package shop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// Width of the blocks of Prometheus' storage, and of the longest rollup. A replay can't replace samples in the newest block, nor a rollup
// that is stamped with its begin.
const (
	blocks = 2 * time.Hour
	rollup = time.Hour
)

// Incident is when the label exploded for half an hour: in the newest hour that a replay can replace at now.
func Incident(now time.Time) (from, to time.Time) {
	from = now.Truncate(blocks).Add(-rollup - 50*time.Minute)
	return from, from.Add(30 * time.Minute)
}

// SendIncident sends the points of the incident: checkout's shop.requests with a series for each user, cumulative, one point a minute.
func SendIncident(ctx context.Context, endpoint string, now time.Time) error {
	from, to := Incident(now)
	for at := from; at.Before(to); at = at.Add(time.Minute) {
		minutes := at.Sub(from)/time.Minute + 1
		md, sum := counter("checkout", "shop.requests", "{request}")
		for user := range Users {
			p := sum.DataPoints().AppendEmpty()
			p.Attributes().PutStr("http.route", "/orders")
			p.Attributes().PutStr("user.id", fmt.Sprintf("u%03d", user))
			p.SetStartTimestamp(pcommon.NewTimestampFromTime(from.Add(-time.Minute)))
			p.SetTimestamp(pcommon.NewTimestampFromTime(at))
			p.SetIntValue(int64(minutes) * int64(1+user%7))
		}
		if err := post(ctx, endpoint, md); err != nil {
			return err
		}
	}
	return nil
}

// SendLate sends the data that a phone kept while it was offline: a count for each of the last ten minutes except the newest, delta.
func SendLate(ctx context.Context, endpoint string, now time.Time) error {
	md, sum := counter("phone", "shop.taps", "{tap}")
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	for ago := 10 * time.Minute; ago > time.Minute; ago -= time.Minute {
		p := sum.DataPoints().AppendEmpty()
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-ago - time.Minute)))
		p.SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-ago)))
		p.SetIntValue(7)
	}
	return post(ctx, endpoint, md)
}

func counter(service, name, unit string) (pmetric.Metrics, pmetric.Sum) {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", service)
	rm.Resource().Attributes().PutStr("service.version", version)
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(name)
	m.SetUnit(unit)
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	return md, sum
}

func post(ctx context.Context, endpoint string, md pmetric.Metrics) error {
	body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+endpoint+"/v1/metrics", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 4096))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %s", r.URL, answer.Status, text)
	}
	return nil
}
