// Package systemdjournalreceiver follows the systemd journal. Its position moves past an entry only after the pipeline has accepted it, so
// neither a crash nor a stop loses one.
package systemdjournalreceiver

//go:generate mdatagen metadata.yaml
