// Package parse parses lines of log files: JSON, logfmt, access and error logs of nginx and Apache, klog, syslog and the formats of Log4j,
// Logback, zap, Python's logging and .NET's console. It puts time, level, ids, HTTP fields and exceptions into a log record under
// OpenTelemetry's names. Text that it can't parse stays unchanged.
package parse
