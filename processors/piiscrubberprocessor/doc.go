// Package piiscrubberprocessor removes personal data and secrets from logs, traces, metrics and profiles before anything is stored.
package piiscrubberprocessor

//go:generate mdatagen metadata.yaml
