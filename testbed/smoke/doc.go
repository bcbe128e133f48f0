// Package smoke drives the built binary with what Go alone can send and read; `make test` runs it. What needs Python or
// a real store is in package e2e.
package smoke
