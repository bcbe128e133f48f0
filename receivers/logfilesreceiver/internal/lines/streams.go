// Package lines turns the bytes of a file into the lines that an application wrote: it decodes text, removes the formats of Docker and
// CRI, and joins the parts of long lines again, separately for each stream.
package lines

import (
	"strings"
	"time"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/join"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/parse"
)

// Names of a container's streams, and the one of a plain file.
const (
	Plain  = ""
	Stdout = "stdout"
	Stderr = "stderr"
)

// Streams holds back a file's lines separately for each stream: parts of lines, and lines whose record may continue. At most four times
// limit bytes. Not safe for concurrent use.
type Streams struct {
	// Labels are those of a container, if its file has them.
	Labels map[string]string

	limit int
	all   [3]*stream
	last  time.Time
}

type stream struct {
	name   string
	joiner *join.Joiner
	parts  strings.Builder
	first  join.Line // of parts
	pieces int       // of a line that is longer than limit
}

// New returns streams whose records have at most limit bytes.
func New(limit int) *Streams { return &Streams{limit: limit} }

// Add adds the next line of the file. Pieces of a line that was cut have a part number.
func (s *Streams) Add(line join.Line, now time.Time, out func(join.Record)) {
	s.last = now
	if line.Part > 0 {
		s.of(Plain).hand(line, s.limit, out)
		return
	}
	name, text, at, partial := Plain, line.Text, time.Time{}, false
	if len(text) > 0 {
		switch c := text[0]; {
		case c == '{':
			if docker, ok := parse.Docker(text); ok {
				name, at = docker.Stream, docker.Time
				text, partial = strings.CutSuffix(docker.Text, "\n")
				partial = !partial
				text = strings.TrimSuffix(text, "\r")
				if s.Labels == nil && docker.Labels != nil {
					s.Labels = docker.Labels
				}
			}
		case c >= '0' && c <= '9':
			if cri, ok := criLine(text); ok {
				name, text, at, partial = cri.stream, cri.text, cri.time, cri.partial
			}
		}
	}
	line.Text, line.Time = text, at
	s.of(name).add(line, partial, s.limit, out)
}

func (s *Streams) of(name string) *stream {
	for i, have := range s.all {
		if have == nil {
			s.all[i] = &stream{name: name, joiner: join.New(name, s.limit)}
			return s.all[i]
		}
		if have.name == name {
			return have
		}
	}
	return s.all[0] // there are only three names
}

// add adds a line, or a part of one that a container runtime has cut. Parts are joined up to limit bytes; a longer line is emitted in
// numbered pieces.
func (s *stream) add(line join.Line, partial bool, limit int, out func(join.Record)) {
	if s.parts.Len() > 0 && s.parts.Len()+len(line.Text) > limit {
		s.piece(limit, out)
	}
	if partial || s.parts.Len() > 0 {
		if s.parts.Len() == 0 {
			s.first = line
		} else if _, known := s.first.In(line.File); !known {
			s.first.More = append(s.first.More, join.Place{File: line.File, Start: line.Start})
		}
		s.parts.WriteString(line.Text)
		s.first.End = line.End
		if partial {
			return
		}
		line = s.first
		line.Text = s.parts.String()
		s.parts.Reset()
	}
	if s.pieces > 0 {
		line.Part = s.pieces + 1
		s.pieces = 0
	}
	s.hand(line, limit, out)
}

// piece emits the parts so far, as a piece of a line that continues. It ends with a complete character.
func (s *stream) piece(limit int, out func(join.Record)) {
	s.pieces++
	line, text := s.first, s.parts.String()
	end := len(text) - unended(text)
	line.Text, line.Part = text[:end], s.pieces
	s.parts.Reset()
	s.parts.WriteString(text[end:])
	s.hand(line, limit, out)
}

// hand passes a line to the joiner, in UTF-8.
func (s *stream) hand(line join.Line, limit int, out func(join.Record)) {
	line.Text = valid(line.Text, limit)
	s.joiner.Add(line, out)
}

// Settle emits what no further line can change.
func (s *Streams) Settle(out func(join.Record)) {
	for _, have := range s.all {
		if have != nil {
			have.joiner.Settle(parse.Final, out)
		}
	}
}

// Flush emits everything that is held; incomplete lines only if all is true.
func (s *Streams) Flush(all bool, out func(join.Record)) {
	for _, have := range s.all {
		if have == nil {
			continue
		}
		if all && have.parts.Len() > 0 {
			line := have.first
			line.Text = have.parts.String()
			if have.pieces > 0 {
				line.Part = have.pieces + 1
			}
			have.parts.Reset()
			have.pieces = 0
			have.hand(line, s.limit, out)
		}
		have.joiner.Flush(out)
	}
}

// Last returns when the last line arrived.
func (s *Streams) Last() time.Time { return s.last }

// Held reports whether lines, or parts of them, are held.
func (s *Streams) Held() bool {
	for _, have := range s.all {
		if have != nil && (have.joiner.Held() || have.parts.Len() > 0) {
			return true
		}
	}
	return false
}

// Pending returns the offset of the first held line of a file.
func (s *Streams) Pending(file any) (start int64, held bool) {
	for _, have := range s.all {
		if have == nil {
			continue
		}
		if at, ok := have.joiner.Pending(file); ok && (!held || at < start) {
			start, held = at, true
		}
		if have.parts.Len() == 0 {
			continue
		}
		if at, ok := have.first.In(file); ok && (!held || at < start) {
			start, held = at, true
		}
	}
	return start, held
}

type cri struct {
	stream, text string
	time         time.Time
	partial      bool
}

// criLine parses the format of containerd and CRI-O: TIME STREAM TAG[:TAG...] TEXT. The first tag is P for a part and F for the end of a
// line; others may follow.
func criLine(line string) (found cri, ok bool) {
	stamp, rest, ok := strings.Cut(line, " ")
	if !ok || len(stamp) < 20 || len(stamp) > 40 || stamp[10] != 'T' {
		return found, false
	}
	stream, rest, ok := strings.Cut(rest, " ")
	if !ok || stream != Stdout && stream != Stderr {
		return found, false
	}
	tags, text, _ := strings.Cut(rest, " ")
	tag, _, _ := strings.Cut(tags, ":")
	if tag != "P" && tag != "F" {
		return found, false
	}
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return found, false
	}
	return cri{stream: stream, text: text, time: at, partial: tag == "P"}, true
}
