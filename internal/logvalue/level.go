package logvalue

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"
)

// longest is the length of the longest word of levels followed by a digit: informational2.
const longest = len("informational") + 1

// levels are words of logging libraries and daemons. Where libraries agree with the mappings of OpenTelemetry's data model
// (https://opentelemetry.io/docs/specs/otel/logs/data-model-appendix/#appendix-b-severitynumber-example-mappings) these hold: notice and alert
// of syslog, fine, finer and config of java.util.logging. `critical` is Python's and .NET's highest level, not the third of syslog, which has numbers.
var levels = map[string]plog.SeverityNumber{
	"trace": plog.SeverityNumberTrace, "trce": plog.SeverityNumberTrace, "trc": plog.SeverityNumberTrace, "finest": plog.SeverityNumberTrace,
	"verbose": plog.SeverityNumberTrace, "vrb": plog.SeverityNumberTrace, "silly": plog.SeverityNumberTrace, "t": plog.SeverityNumberTrace, "v": plog.SeverityNumberTrace,
	"debug": plog.SeverityNumberDebug, "dbug": plog.SeverityNumberDebug, "dbg": plog.SeverityNumberDebug, "d": plog.SeverityNumberDebug,
	"finer": plog.SeverityNumberDebug, "fine": plog.SeverityNumberDebug2, "config": plog.SeverityNumberDebug3,
	"info": plog.SeverityNumberInfo, "information": plog.SeverityNumberInfo, "informational": plog.SeverityNumberInfo, "inf": plog.SeverityNumberInfo,
	"i": plog.SeverityNumberInfo, "default": plog.SeverityNumberInfo, "log": plog.SeverityNumberInfo, "success": plog.SeverityNumberInfo,
	"notice": plog.SeverityNumberInfo2, "n": plog.SeverityNumberInfo2,
	"warn": plog.SeverityNumberWarn, "warning": plog.SeverityNumberWarn, "wrn": plog.SeverityNumberWarn, "w": plog.SeverityNumberWarn,
	"error": plog.SeverityNumberError, "err": plog.SeverityNumberError, "eror": plog.SeverityNumberError, "severe": plog.SeverityNumberError,
	"fail": plog.SeverityNumberError, "failure": plog.SeverityNumberError, "e": plog.SeverityNumberError,
	"alert": plog.SeverityNumberError3, "a": plog.SeverityNumberError3,
	"fatal": plog.SeverityNumberFatal, "ftl": plog.SeverityNumberFatal, "f": plog.SeverityNumberFatal, "critical": plog.SeverityNumberFatal,
	"crit": plog.SeverityNumberFatal, "c": plog.SeverityNumberFatal, "emergency": plog.SeverityNumberFatal, "emerg": plog.SeverityNumberFatal,
	"panic": plog.SeverityNumberFatal, "dpanic": plog.SeverityNumberFatal,
}

// Level returns the severity of a word, in any case and with surrounding space, including OpenTelemetry's short names (INFO2);
// plog.SeverityNumberUnspecified if it is not a level. It allocates nothing.
func Level(word string) plog.SeverityNumber {
	switch word { // the usual ones
	case "INFO", "info":
		return plog.SeverityNumberInfo
	case "ERROR", "error":
		return plog.SeverityNumberError
	case "WARN", "warn":
		return plog.SeverityNumberWarn
	case "DEBUG", "debug":
		return plog.SeverityNumberDebug
	}
	word = strings.TrimSpace(word)
	if word == "" || len(word) > longest {
		return plog.SeverityNumberUnspecified
	}
	var lower [longest]byte
	for i := range len(word) {
		c := word[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	text := lower[:len(word)]
	if n, ok := levels[string(text)]; ok {
		return n
	}
	if last := text[len(text)-1]; len(text) > 4 && last >= '2' && last <= '4' {
		if base, ok := levels[string(text[:len(text)-1])]; ok && (base-1)%4 == 0 {
			return base + plog.SeverityNumber(last-'1')
		}
	}
	return plog.SeverityNumberUnspecified
}

// LevelOfTens returns the severity of pino's and bunyan's numbers: 10 (trace) to 60 (fatal).
func LevelOfTens(n int64) plog.SeverityNumber {
	if n < 10 || n > 60 || n%10 != 0 {
		return plog.SeverityNumberUnspecified
	}
	return plog.SeverityNumber((n/10-1)*4 + 1)
}

// LevelOfSyslog returns the severity and the word of the numbers 0 (emergency) to 7 (debug) of RFC 5424, as OpenTelemetry maps them.
func LevelOfSyslog(n int) (plog.SeverityNumber, string) {
	switch n {
	case 0:
		return plog.SeverityNumberFatal, "emerg"
	case 1:
		return plog.SeverityNumberError3, "alert"
	case 2:
		return plog.SeverityNumberError2, "crit"
	case 3:
		return plog.SeverityNumberError, "err"
	case 4:
		return plog.SeverityNumberWarn, "warning"
	case 5:
		return plog.SeverityNumberInfo2, "notice"
	case 6:
		return plog.SeverityNumberInfo, "info"
	default:
		return plog.SeverityNumberDebug, "debug"
	}
}
