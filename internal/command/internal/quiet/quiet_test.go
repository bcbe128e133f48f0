package quiet_test

import (
	"bytes"
	"go/parser"
	"go/token"
	"log"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/command/internal/quiet"
)

func TestOneLineIsLeftOut(t *testing.T) {
	var out bytes.Buffer
	l := log.New(quiet.Filter(&out), "", 0)
	l.Print("before")
	l.Print("INFO: metrics: disable exposing PSI metrics because of failed init: open /sys/fs/cgroup/cpu.pressure: no such file or directory")
	l.Print("ERROR: metrics: cannot expose PSI metrics: after")
	assert.Equal(t, "before\nERROR: metrics: cannot expose PSI metrics: after\n", out.String())
}

// Another import could be initialized after the library, and then this package would be too. net/http imports these.
func TestItImportsOnlyWhatTheLibraryNeedsToo(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "quiet.go", nil, parser.ImportsOnly)
	require.NoError(t, err)
	for _, i := range file.Imports {
		assert.Contains(t, []string{`"bytes"`, `"io"`, `"log"`, `"os"`}, i.Path.Value)
	}
}
