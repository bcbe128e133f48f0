// Package join puts the lines of one stream together that belong to one record: stack traces of Java, Python, Go, Node, .NET, Ruby, PHP
// and Rust, with the log line in front that reports them. All other lines stay records of their own.
package join

import (
	"strings"
	"time"
)

// maxDoubt is how many lines that can belong to a trace or not are held back until one decides.
const maxDoubt = 10

// Line is a line of a stream, without its end.
type Line struct {
	Text string
	// Start and End are its offsets in the file.
	Start, End int64
	// Time is when a container runtime got it; zero: not known.
	Time time.Time
	// Part numbers the pieces of a line that was too long, from 1; 0: it is whole.
	Part int
	// File is the file that Start and End are of; More is where the line begins in the files that it goes on in.
	File any
	More []Place
}

// Place is an offset in a file.
type Place struct {
	File  any
	Start int64
}

// Record is the lines of Stream that belong together, joined by newlines. Offsets and time are those of the first. Part numbers the pieces of a record
// that was too long, whether it is one line or several.
type Record struct {
	Line
	Stream string
	// Trace is where in Text a stack trace begins; negative: there is none.
	Trace int
}

// Joiner joins the lines of one stream. It holds at most limit bytes and the lines in doubt. The zero value is not usable; not safe for
// concurrent use.
type Joiner struct {
	stream string
	limit  int
	lines  []Line
	sure   int // lines that belong together; those behind are in doubt
	bytes  int
	parts  int // pieces of the record at hand that were handed out
	state  state
	trace  int // index of the first line of a trace; negative: none
	frame  bool
}

// New returns a joiner of a stream whose records have at most limit bytes, but for a line that is longer by itself.
func New(stream string, limit int) *Joiner {
	return &Joiner{stream: stream, limit: limit, trace: -1}
}

// Add takes the next line and hands out the records that it ends. A blank line that is in no trace is no record.
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
			j.emit(out) // can leave lines that were in doubt
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

// cut hands out what is held as a piece of a record that goes on with line.
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

// Flush hands out all that is held.
func (j *Joiner) Flush(out func(Record)) {
	for len(j.lines) > 0 {
		j.emit(out)
	}
}

// Settle hands out what no further line can change: a single line of a format without traces.
func (j *Joiner) Settle(final func(string) bool, out func(Record)) {
	if len(j.lines) == 1 && (j.lines[0].Part > 0 || j.state == single && final(j.lines[0].Text)) {
		j.emit(out)
	}
}

// Held says whether any line is held.
func (j *Joiner) Held() bool { return len(j.lines) > 0 }

// Pending returns the offset of the first line of a file that is held.
func (j *Joiner) Pending(file any) (start int64, held bool) {
	for i := range j.lines {
		if start, held = j.lines[i].In(file); held {
			return start, held
		}
	}
	return 0, false
}

// In returns where the line begins in a file; false: it has nothing of that.
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

// emit hands out the lines that belong together, and begins anew with those in doubt.
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

// record puts the lines that belong together into one. Of a record in pieces the first has the beginning of the trace.
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
