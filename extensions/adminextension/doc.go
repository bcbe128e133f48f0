// Package adminextension is the one HTTP listener of a collector on which its components register pages and APIs.
package adminextension

//go:generate mdatagen metadata.yaml
