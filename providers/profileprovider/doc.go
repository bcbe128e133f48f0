// Package profileprovider holds Penstock's built-in configurations: `--config profile:standalone`, `profile:agent`, `profile:gateway`. They are
// ordinary collector YAML, composed from fragments when the collector starts.
package profileprovider

//go:generate mdatagen metadata.yaml
