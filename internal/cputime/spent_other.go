//go:build !unix

package cputime

import "time"

var began = time.Now()

// Spent is the time on the clock since the start: the system has no getrusage.
func Spent() time.Duration { return time.Since(began) }
