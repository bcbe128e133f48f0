// Package logfilesreceiver follows log files and understands their lines. A position moves only when the pipeline has taken all before it,
// lines that are held back to be joined included, so neither a crash nor a stop loses a line.
package logfilesreceiver

//go:generate mdatagen metadata.yaml
