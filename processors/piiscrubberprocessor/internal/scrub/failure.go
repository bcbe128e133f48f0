package scrub

import (
	"fmt"
	"runtime"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/detect"
)

// Failure is a detector that panicked in a place. There are as many as detectors times places.
type Failure struct {
	// Detector is the name of its source: see [detect.Culprit].
	Detector string
	// Place is the field with the value: "body", "attributes", "resource".
	Place string
}

// Failing counts the values on which a detector failed in one place, and describes the first: the line, the cause, and the attribute's
// key, which is empty if there is none.
type Failing struct {
	Values         int64
	At, Cause, Key string
}

// maxKey is the longest key of an attribute that a Failing quotes, in bytes.
const maxKey = 64

// fail notes a panic with value r while scanning a value under key. Only a function that is deferred around Scan may call it.
func (b *Batch) fail(r any, key string) {
	detector, at := detect.Culprit()
	f := Failure{Detector: detector, Place: b.place}
	if b.Failures == nil {
		b.Failures = map[Failure]*Failing{}
	}
	have := b.Failures[f]
	if have == nil {
		have = &Failing{At: at, Cause: cause(r), Key: b.quoted(key)}
		b.Failures[f] = have
	}
	have.Values++
}

// cause describes a panic by the runtime's text, which has indexes and types: another value might quote the data.
func cause(r any) string {
	if err, ok := r.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", r)
}

// quoted returns key if it may be logged: keys can contain what the values must not.
func (b *Batch) quoted(key string) (out string) {
	defer func() {
		if recover() != nil {
			out = ""
		}
	}()
	if len(key) > maxKey || len(b.s.Scanner.Scan(nil, "", key)) > 0 {
		return ""
	}
	return key
}
