package logqlpipeline

import (
	"fmt"
	"strconv"
	"text/template"
	"time"
)

func timeOf(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }

func timeFunctions() template.FuncMap {
	return template.FuncMap{
		"now": time.Now,
		"date": func(layout string, t any) (string, error) {
			return checked(asTime(t).Format(layout))
		},
		"toDate": func(layout, s string) time.Time {
			t, _ := time.ParseInLocation(layout, s, time.Local)
			return t
		},
		"toDateInZone": func(layout, zone, s string) time.Time {
			location, err := time.LoadLocation(zone)
			if err != nil {
				location = time.UTC
			}
			t, _ := time.ParseInLocation(layout, s, location)
			return t
		},
		"unixEpoch":       func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
		"unixEpochMillis": func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) },
		"unixEpochNanos":  func(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) },
		"unixToTime":      unixToTime,
		"duration":        seconds, "duration_seconds": seconds,
	}
}

func asTime(v any) time.Time {
	switch v := v.(type) {
	case time.Time:
		return v
	case int64:
		return time.Unix(v, 0)
	case int:
		return time.Unix(int64(v), 0)
	}
	return time.Now()
}

// unixToTime tells days, seconds, milliseconds, microseconds and nanoseconds apart by their digits.
func unixToTime(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("unable to parse time '%s': %w", s, err)
	}
	switch len(s) {
	case 5:
		return time.Unix(n*24*3600, 0), nil
	case 10:
		return time.Unix(n, 0), nil
	case 13:
		return time.UnixMilli(n), nil
	case 16:
		return time.UnixMicro(n), nil
	case 19:
		return time.Unix(0, n), nil
	}
	return time.Time{}, fmt.Errorf("unable to parse time '%s': it has neither 5, 10, 13, 16 nor 19 digits", s)
}

func seconds(s string) (float64, error) {
	d, err := time.ParseDuration(s)
	return d.Seconds(), err
}
