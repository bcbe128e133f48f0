// Package lakeextension looks after a lake: one gateway of those that share it merges small files, and removes what is too old.
package lakeextension

//go:generate mdatagen metadata.yaml
