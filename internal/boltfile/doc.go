// Package boltfile checks the structure of a bbolt database file without opening it. bbolt maps the file into memory and trusts every number in it:
// a truncated file ends the process by a memory fault, and a changed number in a page by a panic. So callers check a file first, with reads that
// are bounded by the file's size, and do not open a damaged one with bbolt.
//
// It finds an empty, zeroed or truncated file, roots that fail their checksum, and in every reachable page a wrong number, kind, bounds or order of
// keys. bbolt has no checksum of a page, so a changed value is not found here: callers that store values seal them.
//
// Sources: bbolt v1.4, internal/common (page.go, meta.go, bucket.go).
package boltfile
