package commitlog

import (
	"fmt"
	"strings"
	"time"
)

// Kind says what was found.
type Kind string

// Kinds of findings. Records can be lost with [Damaged] and [Missing] only.
const (
	// Torn: bytes behind the last whole batch were cut. The index has no trace of them, and it gets one before an answer is sent.
	Torn Kind = "torn"
	// Damaged: a batch in a segment fails its checksum. What is around it stays readable.
	Damaged Kind = "damaged"
	// Missing: a file, or the end of one, is gone.
	Missing Kind = "missing"
	// Rebuilt: something that can be derived was missing or damaged and was made again.
	Rebuilt Kind = "rebuilt"
	// Defaulted: something that can't be derived was missing or damaged; the text says what is assumed instead.
	Defaulted Kind = "defaulted"
)

// Finding is something that is not as the last process left it, and what was done about it.
type Finding struct {
	Kind Kind   `json:"kind"`
	File string `json:"file"`
	// First and Next are the offsets that were in the place; equal: none.
	First int64 `json:"first"`
	Next  int64 `json:"next"`
	// AtMost says that fewer records may have been there: offsets are taken in advance.
	AtMost bool  `json:"at_most,omitempty"`
	Bytes  int64 `json:"bytes,omitempty"`
	// After and Before are the times of the records around the place, milliseconds since 1970; 0: there is none.
	After  int64  `json:"after,omitempty"`
	Before int64  `json:"before,omitempty"`
	Done   string `json:"done"`
}

// Lost is how many offsets can't be read any more.
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
