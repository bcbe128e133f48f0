package detect

import (
	"fmt"
	"path"
	"reflect"
	"runtime"
	"strings"
)

// Culprit names the code of this package that panics: the detector, which is the name of its file ("phone", "card", "custom"), and the
// line. Call it in a function that is deferred around Scan, from which it reads the stack of the panic. The names come from this package's
// source, so there are as many as it has files.
func Culprit() (detector, at string) {
	var pcs [64]uintptr
	own := reflect.TypeFor[Scanner]().PkgPath() + "."
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		frame, more := frames.Next()
		if method, ok := strings.CutPrefix(frame.Function, own); ok {
			file := path.Base(frame.File)
			return strings.TrimSuffix(file, ".go"), fmt.Sprintf("%s:%d %s", file, frame.Line, method)
		}
		if !more {
			return "unknown", ""
		}
	}
}
