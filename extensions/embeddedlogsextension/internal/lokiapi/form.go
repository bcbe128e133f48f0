package lokiapi

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
)

const (
	defaultSince = time.Hour
	defaultLimit = 100
	// defaultPoints is how many steps a range query has that names none, about.
	defaultPoints = 250
)

// moment reads a parameter: nanoseconds, seconds (up to ten digits, or with a fraction), or RFC 3339.
func (r *request) moment(name string, otherwise time.Time) (time.Time, error) {
	text := r.Form.Get(name)
	if text == "" {
		return otherwise, nil
	}
	if strings.Contains(text, ".") {
		if seconds, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(seconds) < 1e10 {
			whole, fraction := math.Modf(seconds)
			return time.Unix(int64(whole), int64(math.Round(fraction*1000))*int64(time.Millisecond)), nil
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if len(strings.TrimPrefix(text, "-")) <= 10 {
			return time.Unix(n, 0), nil
		}
		return time.Unix(0, n), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1700 || t.Year() > 2250 {
		return t, bad("%s: %q is not a time: nanoseconds, seconds or RFC 3339", name, text)
	}
	return t, nil
}

// bounds reads start, end and since.
func (r *request) bounds() (start, end time.Time, err error) {
	if end, err = r.moment("end", r.now); err != nil {
		return start, end, err
	}
	since := defaultSince
	if text := r.Form.Get("since"); text != "" {
		if since, err = logql.ParseDuration(text); err != nil {
			return start, end, bad("since: %w", err)
		}
	}
	from := end
	if from.After(r.now) {
		from = r.now
	}
	if start, err = r.moment("start", from.Add(-since)); err != nil {
		return start, end, err
	}
	if end.Before(start) {
		return start, end, bad("end timestamp must not be before or equal to start time")
	}
	return start, end, nil
}

// duration reads a duration, or seconds.
func (r *request) duration(key string, otherwise time.Duration) (time.Duration, error) {
	text := r.Form.Get(key)
	if text == "" {
		return otherwise, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if math.IsNaN(seconds) || math.Abs(seconds) > math.MaxInt64/1e9 {
			return 0, bad("%s: %q is not a duration", key, text)
		}
		return time.Duration(seconds * float64(time.Second)), nil
	}
	d, err := logql.ParseDuration(text)
	if err != nil {
		return 0, bad("%s: %w", key, err)
	}
	return d, nil
}

func defaultStep(start, end time.Time) time.Duration {
	return max(end.Sub(start)/defaultPoints, time.Second).Truncate(time.Second)
}

func (r *request) limit(otherwise int) (int, error) {
	text := r.Form.Get("limit")
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return 0, bad("limit must be a positive value, not %q", text)
	}
	return n, nil
}

func (r *request) forward() (bool, error) {
	switch strings.ToLower(r.Form.Get("direction")) {
	case "", "backward":
		return false, nil
	case "forward":
		return true, nil
	}
	return false, bad("invalid direction %q: forward or backward", r.Form.Get("direction"))
}
