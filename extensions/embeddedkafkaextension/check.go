package embeddedkafkaextension

import "github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/broker"

// Finding is a place in a log's directory that is not as the last process left it.
type Finding struct {
	// File is the file, or the partition's directory.
	File string
	// Kind is torn, damaged, missing, rebuilt or defaulted.
	Kind string
	// Records is how many records can't be read because of it, at most.
	Records int64
	// Text says what is known: what was there, and what the next start does.
	Text string
}

// Check says what the next start would find in directory, and what it would do: a start mends by itself whatever can be mended. It
// changes nothing, and reads every record. No collector may have the directory open.
func Check(directory string) ([]Finding, error) {
	found, err := broker.Check(directory)
	out := make([]Finding, len(found))
	for i, f := range found {
		out[i] = Finding{File: f.File, Kind: string(f.Kind), Records: f.Lost(), Text: f.String()}
	}
	return out, err
}
