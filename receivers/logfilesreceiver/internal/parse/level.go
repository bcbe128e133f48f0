package parse

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"
)

// levelOf returns the severity that a word stands for, in any case; plog.SeverityNumberUnspecified if it is none.
func levelOf(word string) plog.SeverityNumber {
	word = strings.TrimSpace(word)
	if len(word) == 0 || len(word) > 13 {
		return plog.SeverityNumberUnspecified
	}
	step := plog.SeverityNumber(0)
	if last := word[len(word)-1]; len(word) > 4 && last >= '2' && last <= '4' { // OpenTelemetry's own short names: DEBUG3
		word, step = word[:len(word)-1], plog.SeverityNumber(last-'1')
	}
	var lower [13]byte
	for i := range len(word) {
		c := word[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	base := plog.SeverityNumberUnspecified
	switch string(lower[:len(word)]) {
	case "trace", "trce", "trc", "finest", "finer", "verbose", "vrb", "silly":
		base = plog.SeverityNumberTrace
	case "debug", "dbug", "dbg", "fine", "d", "config":
		base = plog.SeverityNumberDebug
	case "info", "information", "informational", "inf", "notice", "default", "i", "log", "success":
		base = plog.SeverityNumberInfo
	case "warn", "warning", "wrn", "w":
		base = plog.SeverityNumberWarn
	case "error", "err", "eror", "severe", "fail", "e":
		base = plog.SeverityNumberError
	case "fatal", "ftl", "crit", "critical", "alert", "emerg", "emergency", "panic", "dpanic", "f":
		base = plog.SeverityNumberFatal
	default:
		return plog.SeverityNumberUnspecified
	}
	return base + step
}

// levelOfNumber is the severity of pino's and bunyan's numbers.
func levelOfNumber(n int64) plog.SeverityNumber {
	switch n {
	case 10:
		return plog.SeverityNumberTrace
	case 20:
		return plog.SeverityNumberDebug
	case 30:
		return plog.SeverityNumberInfo
	case 40:
		return plog.SeverityNumberWarn
	case 50:
		return plog.SeverityNumberError
	case 60:
		return plog.SeverityNumberFatal
	}
	return plog.SeverityNumberUnspecified
}

// levelOfSyslog is the severity of the numbers 0 (emergency) to 7 (debug) of RFC 5424.
func levelOfSyslog(n int) (plog.SeverityNumber, string) {
	switch n {
	case 0:
		return plog.SeverityNumberFatal, "emerg"
	case 1:
		return plog.SeverityNumberFatal, "alert"
	case 2:
		return plog.SeverityNumberFatal, "crit"
	case 3:
		return plog.SeverityNumberError, "err"
	case 4:
		return plog.SeverityNumberWarn, "warning"
	case 5:
		return plog.SeverityNumberInfo, "notice"
	case 6:
		return plog.SeverityNumberInfo, "info"
	default:
		return plog.SeverityNumberDebug, "debug"
	}
}

// headLevel finds the level near the beginning of a plain line: a word in capitals, one in small letters between brackets or tabs or
// right behind the time (from), or the value of level=, lvl= or severity=.
func headLevel(line string, from int) (plog.SeverityNumber, string) {
	const reach = 120
	head := line[:min(len(line), reach)]
	for i := 0; i < len(head); {
		c := head[i]
		if !isLetter(c) {
			i++
			continue
		}
		start := i
		upper := true
		for i < len(head) && (isAlnum(head[i]) || head[i] == '_') {
			upper = upper && (head[i] < 'a' || head[i] > 'z')
			i++
		}
		word := head[start:i]
		if start > 0 && (isDigit(head[start-1]) || head[start-1] == '_') || len(word) > 13 {
			continue
		}
		if i < len(line) && line[i] == '=' && (word == "level" || word == "lvl" || word == "severity" || word == "LEVEL") {
			value := strings.TrimLeft(line[i+1:], `"`)
			end := 0
			for end < len(value) && isAlnum(value[end]) {
				end++
			}
			if n := levelOf(value[:end]); n != plog.SeverityNumberUnspecified {
				return n, value[:end]
			}
			continue
		}
		if len(word) < 3 || word == "LOG" || word == "LOGS" || word == "CONFIG" || word == "DEFAULT" || word == "SUCCESS" || word == "FINE" || word == "FAIL" {
			continue // words of texts too
		}
		if upper || marked(line, start, i, from) {
			if n := levelOf(word); n != plog.SeverityNumberUnspecified {
				return n, word
			}
		}
	}
	return plog.SeverityNumberUnspecified, ""
}

// marked says whether a word in small letters stands where a level does.
func marked(line string, start, end, from int) bool {
	if end == len(line) {
		return false
	}
	if start == 0 {
		return line[end] == ':' // .NET's console: `info: Microsoft.Hosting`
	}
	before, after := line[start-1], line[end]
	switch {
	case before == '[' && after == ']', before == '\t' && after == '\t', before == '<' && after == '>', before == ':' && after == ']', before == '|' && after == '|':
		return true
	}
	return from > 0 && start-from <= 2 && (after == ' ' || after == ':' || after == '\t')
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
