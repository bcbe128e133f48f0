package logfilesreceiver

import (
	"time"

	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/lines"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/tail"
)

// maxWaits is how many polls a new file waits for the end of the file that it replaced.
const maxWaits = 5

// work returns the files to visit. A new file takes over the held-back lines of the file that was rotated away from its path, because a
// stack trace, or the parts of a line, may continue in it. It waits for the end of that file, which is near. A file whose lines were taken
// over is not read meanwhile: the reader of the new file moves its position.
func (r *logFiles) work(all []*tail.File, now time.Time) (work []*tail.File) {
	rotated := map[string]*source{} // by former path
	for _, f := range all {
		src := r.source(f)
		if src.lent != nil {
			if _, held := src.lent.Pending(src); !held {
				src.lent = nil
				src.delivered()
			}
		}
		switch {
		case src.lent != nil:
		case f.Gone:
			rotated[f.Path] = src
		case src.former != "":
			rotated[src.former] = src
		}
	}
	for _, f := range all {
		src := r.source(f)
		if from := rotated[f.Path]; from != nil && from.file != f && f.Behind() && f.ReadTo() == 0 && f.Offset == 0 && !src.streams.Held() {
			if from.file.Behind() && from.file.Size()-from.file.ReadTo() <= visitBytes && src.waited < maxWaits {
				src.waited++
				continue
			}
			if !from.file.Behind() && !from.file.Unended() && from.streams.Held() {
				from.handOver(src, r.cfg.MaxRecordSize)
			}
		}
		if f.Behind() || r.due(f, now) {
			work = append(work, f)
		}
	}
	read := work[:0]
	for _, f := range work {
		if r.source(f).lent == nil {
			read = append(read, f)
		}
	}
	return read
}

// handOver passes the held-back lines to the file that replaced this one.
func (src *source) handOver(to *source, limit int) {
	to.streams, src.streams = src.streams, lines.New(limit)
	src.streams.Labels = to.streams.Labels
	src.lent, src.former = to.streams, ""
}
