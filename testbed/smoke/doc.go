// Package smoke drives the built binary with Go clients only; `make test` runs it. Tests that need Python or
// a real store are in package e2e.
package smoke
