// Package lake measures the cost of a log record in the standalone binary: with a lake on disk and with one in an object store.
package lake
