// Package e2e drives the built binary with official SDKs of other languages and reads its stores with DuckDB; `make
// testbed` runs it. Files with the build tag "full" take long or need built stores: `make testbed-full`.
package e2e
