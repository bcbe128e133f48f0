// Package lake measures what a log record costs the standalone binary: without a lake, with one on disk, with one in an object store.
package lake
