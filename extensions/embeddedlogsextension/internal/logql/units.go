package logql

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var durationUnits = map[string]float64{
	"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9,
	"d": 24 * 3600e9, "w": 7 * 24 * 3600e9, "y": 365 * 24 * 3600e9,
}

// ParseDuration reads a duration of a query: Go's form, and days, weeks and years as Prometheus writes them.
func ParseDuration(text string) (time.Duration, error) {
	total, rest := 0.0, text
	for rest != "" {
		digits := span(rest, func(c byte) bool { return isDigit(c) || c == '.' })
		unit := span(rest[digits:], func(c byte) bool { return !isDigit(c) && c != '.' })
		n, err := strconv.ParseFloat(rest[:digits], 64)
		size, known := durationUnits[rest[digits:digits+unit]]
		if err != nil || !known {
			return 0, fmt.Errorf("%q is not a duration", shorten(text))
		}
		total += n * size
		rest = rest[digits+unit:]
	}
	if text == "" || total >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is not a duration", shorten(text))
	}
	return time.Duration(math.Round(total)), nil
}

var byteUnits = map[string]float64{
	"": 1, "b": 1,
	"k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9, "t": 1e12, "tb": 1e12, "p": 1e15, "pb": 1e15, "e": 1e18, "eb": 1e18,
	"ki": 1 << 10, "kib": 1 << 10, "mi": 1 << 20, "mib": 1 << 20, "gi": 1 << 30, "gib": 1 << 30,
	"ti": 1 << 40, "tib": 1 << 40, "pi": 1 << 50, "pib": 1 << 50, "ei": 1 << 60, "eib": 1 << 60,
}

// ParseBytes reads a size: 5B, 1.5 kB, 3MiB. Units without an i are powers of 1000; their case does not matter.
func ParseBytes(text string) (float64, error) {
	digits := span(text, func(c byte) bool { return isDigit(c) || c == '.' || c == ',' })
	n, err := strconv.ParseFloat(strings.ReplaceAll(text[:digits], ",", ""), 64)
	size, known := byteUnits[strings.ToLower(strings.TrimSpace(text[digits:]))]
	if err != nil || !known || n*size >= math.MaxUint64 {
		return 0, fmt.Errorf("%q is not a size", shorten(text))
	}
	return math.Trunc(n * size), nil
}
