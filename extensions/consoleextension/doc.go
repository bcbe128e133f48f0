// Package consoleextension shows what the collector does, and the data that it stores, in a browser.
package consoleextension

//go:generate mdatagen metadata.yaml
