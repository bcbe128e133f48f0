// Package systemdjournalreceiver follows the systemd journal. Its position moves only when the pipeline has an entry, so neither a crash nor a stop
// loses one.
package systemdjournalreceiver

//go:generate mdatagen metadata.yaml
