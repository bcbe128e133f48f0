package commitlog

import (
	"fmt"
	"strings"
	"time"
)

// Kind is the kind of a finding.
type Kind string

// Kinds of findings. Records can be lost with [Damaged] and [Missing] only.
const (
	// Torn: bytes after the last complete batch were cut off. The index has no entry for them, and a batch gets its entry before it is
	// acknowledged.
	Torn Kind = "torn"
	// Damaged: a batch in a segment fails its checksum. The batches around it stay readable.
	Damaged Kind = "damaged"
	// Missing: a file, or the end of one, is gone.
	Missing Kind = "missing"
	// Rebuilt: derived data was missing or damaged and was rebuilt.
	Rebuilt Kind = "rebuilt"
	// Defaulted: data that can't be derived was missing or damaged; the text says what is assumed instead.
	Defaulted Kind = "defaulted"
)

// Finding is a place that differs from what the last process wrote, and its repair.
type Finding struct {
	Kind Kind   `json:"kind"`
	File string `json:"file"`
	// First and Next are the offsets that the place held; equal if there were none.
	First int64 `json:"first"`
	Next  int64 `json:"next"`
	// AtMost says that the place may have held fewer records, because offsets are reserved in advance.
	AtMost bool  `json:"at_most,omitempty"`
	Bytes  int64 `json:"bytes,omitempty"`
	// After and Before are the times of the records around the place, in milliseconds since 1970; 0 if there is none.
	After  int64  `json:"after,omitempty"`
	Before int64  `json:"before,omitempty"`
	Done   string `json:"done"`
}

// Lost is how many offsets can no longer be read.
func (f Finding) Lost() int64 { return f.Next - f.First }

func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", f.File)
	switch f.Kind {
	case Torn:
		fmt.Fprintf(&b, "%d bytes at the end are an incomplete batch, which was never acknowledged", f.Bytes)
	case Damaged:
		fmt.Fprintf(&b, "%d bytes fail their checksum", f.Bytes)
	case Missing:
		b.WriteString("records are missing")
	case Rebuilt, Defaulted:
		b.WriteString("missing or damaged")
	}
	if f.Lost() > 0 {
		atMost := ""
		if f.AtMost {
			atMost = " at most"
		}
		fmt.Fprintf(&b, "; it held offsets %d to %d (%d records%s)", f.First, f.Next-1, f.Lost(), atMost)
		if f.After > 0 {
			fmt.Fprintf(&b, ", written after %s", time.UnixMilli(f.After).UTC().Format(time.RFC3339))
		}
		if f.Before > 0 {
			fmt.Fprintf(&b, ", before %s", time.UnixMilli(f.Before).UTC().Format(time.RFC3339))
		}
	}
	if f.Done != "" {
		b.WriteString("; ")
		b.WriteString(f.Done)
	}
	return b.String()
}
