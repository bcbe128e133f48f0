// Package join joins the lines of one stream that belong to one record: stack traces of Java, Python, Go, Node, .NET, Ruby, PHP and Rust,
// together with the log line before them that reports them. All other lines stay separate records.
package join

import (
	"strings"
	"time"
)

// maxDoubt is how many lines that may or may not belong to a trace are held back until a later line decides.
const maxDoubt = 10

// Line is a line of a stream, without its end.
type Line struct {
	Text string
	// Start and End are its offsets in the file.
	Start, End int64
	// Time is when a container runtime received it; zero: unknown.
	Time time.Time
	// Part numbers the pieces of a line that was too long, from 1; 0: it is complete.
	Part int
	// File is the file to which Start and End refer; More is the start of the line in the files in which it continues.
	File any
	More []Place
}

// Place is an offset in a file.
type Place struct {
	File  any
	Start int64
}

// Record is a sequence of lines of Stream that belong together, joined by newlines. Offsets and time are those of the first. Part numbers
// the pieces of a record that was too long, whether it has one line or several.
type Record struct {
	Line
	Stream string
	// Trace is where in Text a stack trace begins; negative: there is none.
	Trace int
}

// Joiner joins the lines of one stream. It holds at most limit bytes and the undecided lines. The zero value is not usable; not safe for
// concurrent use.
type Joiner struct {
	stream string
	limit  int
	lines  []Line
	sure   int // lines that belong together; those after them are undecided
	bytes  int
	parts  int // pieces of the current record that were emitted
	state  state
	trace  int // index of the first line of a trace; negative: none
	frame  bool
}

// New returns a joiner of a stream whose records have at most limit bytes, unless a single line is longer.
func New(stream string, limit int) *Joiner {
	return &Joiner{stream: stream, limit: limit, trace: -1}
}

// Add adds the next line and emits the records that it ends. A blank line outside a trace is not a record.
func (j *Joiner) Add(line Line, out func(Record)) {
	for len(j.lines) > 0 {
		answer := no
		if line.Part == 0 && j.lines[0].Part == 0 {
			answer = j.extends(line.Text)
		}
		full := j.bytes+len(line.Text) >= j.limit
		if answer == maybe && (full || len(j.lines)-j.sure >= maxDoubt) {
			answer = no
		}
		if answer == yes && full {
			j.cut(line, out)
			return
		}
		if answer == no {
			j.emit(out) // lines that were undecided may remain
			continue
		}
		j.lines = append(j.lines, line)
		j.bytes += len(line.Text) + 1
		if answer == yes {
			j.sure = len(j.lines)
		}
		return
	}
	j.start(line)
}

// cut emits the held lines as a piece of a record that continues with line.
func (j *Joiner) cut(line Line, out func(Record)) {
	j.sure = len(j.lines)
	piece := j.record()
	j.parts++
	piece.Part = j.parts
	out(piece)
	clear(j.lines)
	j.lines = append(j.lines[:0], line)
	j.sure, j.bytes = 1, len(line.Text)
}

// Flush emits all held lines.
func (j *Joiner) Flush(out func(Record)) {
	for len(j.lines) > 0 {
		j.emit(out)
	}
}

// Settle emits a record that no further line can change: a single line of a format without traces.
func (j *Joiner) Settle(final func(string) bool, out func(Record)) {
	if len(j.lines) == 1 && (j.lines[0].Part > 0 || j.state == single && final(j.lines[0].Text)) {
		j.emit(out)
	}
}

// Held reports whether any line is held.
func (j *Joiner) Held() bool { return len(j.lines) > 0 }

// Pending returns the offset of the first held line of a file.
func (j *Joiner) Pending(file any) (start int64, held bool) {
	for i := range j.lines {
		if start, held = j.lines[i].In(file); held {
			return start, held
		}
	}
	return 0, false
}

// In returns where the line begins in a file; false: no part of it is in that file.
func (l *Line) In(file any) (start int64, ok bool) {
	if l.File == file {
		return l.Start, true
	}
	for _, place := range l.More {
		if place.File == file {
			return place.Start, true
		}
	}
	return 0, false
}

func (j *Joiner) start(line Line) {
	if isBlank(line.Text) {
		return
	}
	j.lines = append(j.lines[:0], line)
	j.sure, j.bytes, j.parts, j.trace, j.frame = 1, len(line.Text), 0, -1, false
	if j.state = stateOf(line.Text); j.state != single && j.state != dotnetLog && j.state != nodeHead {
		j.trace = 0
	}
}

// emit emits the lines that belong together, and starts the next record with the undecided ones.
func (j *Joiner) emit(out func(Record)) {
	record := j.record()
	if j.parts > 0 {
		record.Part = j.parts + 1
		j.parts = 0
	}
	out(record)
	doubt := append([]Line(nil), j.lines[j.sure:]...)
	clear(j.lines)
	j.lines, j.bytes = j.lines[:0], 0
	for _, line := range doubt {
		j.Add(line, out)
	}
}

// record joins the lines that belong together. Of a record in pieces the first has the beginning of the trace.
func (j *Joiner) record() Record {
	record := Record{Line: j.lines[0], Stream: j.stream, Trace: -1}
	record.End = j.lines[j.sure-1].End
	if j.sure == 1 {
		if j.trace == 0 && j.state != traceAt && j.parts == 0 {
			record.Trace = 0
		}
		return record
	}
	var text strings.Builder
	text.Grow(j.bytes)
	for i, line := range j.lines[:j.sure] {
		if i > 0 {
			text.WriteByte('\n')
		}
		if i == j.trace && j.parts == 0 {
			record.Trace = text.Len()
		}
		text.WriteString(line.Text)
	}
	record.Text = text.String()
	return record
}
