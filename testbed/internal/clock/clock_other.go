//go:build !linux || !amd64

// Package clock sets the wall clock of one running Go process. It works on Linux and amd64 only.
package clock

import (
	"errors"
	"time"
)

// Set returns an error.
func Set(int, time.Duration) error {
	return errors.New("the clock of one process can be set on Linux and amd64 only")
}
