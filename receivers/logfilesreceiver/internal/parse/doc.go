// Package parse understands lines of log files: JSON, logfmt, access and error logs of nginx and Apache, klog, syslog and what Log4j,
// Logback, zap, Python's logging and .NET's console write. It lifts time, level, ids, HTTP fields and exceptions into a log record under
// OpenTelemetry's names. Text that it does not understand stays as it was written.
package parse
