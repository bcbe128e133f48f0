// Package retryhintextension is a middleware of receivers that adds to retryable refusals when to come back.
package retryhintextension

//go:generate mdatagen metadata.yaml
