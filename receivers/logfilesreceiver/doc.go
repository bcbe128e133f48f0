// Package logfilesreceiver follows log files and parses their lines. A position moves only after the pipeline has accepted everything
// before it, including lines that were held back to be joined, so neither a crash nor a stop loses a line.
package logfilesreceiver

//go:generate mdatagen metadata.yaml
