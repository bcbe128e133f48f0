//go:build !unix

// Package umask protects the files of this process from other users of the machine.
package umask

// Close does nothing on systems where files have no modes: there the permissions of the data directory count.
func Close() {}
