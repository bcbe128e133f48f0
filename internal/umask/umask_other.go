//go:build !unix

// Package umask keeps other users of the machine out of the files of this process.
package umask

// Close does nothing where files have no modes: there the permissions of the data directory count.
func Close() {}
