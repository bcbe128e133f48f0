// Package boltfile checks the structure of a bbolt database file without opening it. bbolt maps the file into memory and trusts
// every number in it: a file that is cut short ends the process by a memory fault, and a changed number in a page by a panic. So
// a file is checked first, by reads that are bounded by the file, and is not given to bbolt when anything is wrong.
//
// What it finds: an empty or zeroed file, one that is cut, roots that fail their checksum, and in every page that can be reached
// its number, kind, bounds and order of keys. bbolt keeps no checksum of a page, so a changed value is not found here: who
// stores values seals them.
//
// Sources: bbolt v1.4, internal/common (page.go, meta.go, bucket.go).
package boltfile
