// Package logvalue parses levels and times as logging libraries, daemons and people write them: one table and one parser for every receiver of
// logs.
package logvalue
