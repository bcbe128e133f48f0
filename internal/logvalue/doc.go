// Package logvalue reads levels and times as logging libraries, daemons and people write them: one table and one reader for every receiver
// of logs.
package logvalue
