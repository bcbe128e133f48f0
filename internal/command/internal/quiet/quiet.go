// Package quiet keeps one line of a library off standard error.
//
// VictoriaMetrics' metrics package, which the engine of embedded_logs brings along, logs while its variables are initialized, before main, if the
// kernel measures no pressure (PSI) for the process's control group: on every call of the program, penstock --version too. Nobody uses these
// numbers here.
//
// The filter is in place in time because of the order that Go's specification gives to packages: the first in the list of import paths that has
// all of its imports initialized comes next. This package imports only what net/http imports too, and its path is before net/http, which
// the library needs. So it must not import anything else.
package quiet

import (
	"bytes"
	"io"
	"log"
	"os"
)

// unwanted is in the line that is left out.
const unwanted = "INFO: metrics: disable exposing PSI metrics"

// The standard logger's output is set here rather than in a function, because the line is logged before any function runs.
var _ = func() bool { log.SetOutput(Filter(os.Stderr)); return true }()

// Filter returns a writer that passes all on to w but the unwanted line. Package log hands over one line with each call.
func Filter(w io.Writer) io.Writer { return filter{w} }

type filter struct{ to io.Writer }

var _ io.Writer = filter{}

func (f filter) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(unwanted)) {
		return len(line), nil
	}
	return f.to.Write(line)
}
