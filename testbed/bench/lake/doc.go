// Package lake measures what a log record costs the standalone binary: with a lake on disk and with one in an object store.
package lake
