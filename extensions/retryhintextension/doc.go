// Package retryhintextension is a middleware of receivers that adds a delay to retryable refusals.
package retryhintextension

//go:generate mdatagen metadata.yaml
