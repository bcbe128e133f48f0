package embeddedkafkaextension

import "github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/broker"

// Finding is a place in a log's directory that differs from what the last process wrote.
type Finding struct {
	// File is the file, or the partition's directory.
	File string
	// Kind is torn, damaged, missing, rebuilt or defaulted.
	Kind string
	// Records is an upper bound of the records that can't be read because of it.
	Records int64
	// Text describes what the place held, as far as known, and what the next start does.
	Text string
}

// Check returns what the next start would find in directory and what it would do; a start repairs everything that can be repaired. Check changes
// nothing and reads every record. No collector may have the directory open.
func Check(directory string) ([]Finding, error) {
	found, err := broker.Check(directory)
	out := make([]Finding, len(found))
	for i, f := range found {
		out[i] = Finding{File: f.File, Kind: string(f.Kind), Records: f.Lost(), Text: f.String()}
	}
	return out, err
}
