package house_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pure are algorithms: they return outcomes, and a component counts and logs them.
var pure = []string{
	"internal/delivery",
	"internal/inflight",
	"internal/streamkey",
	"internal/tap",
	"exporters/prometheustsdbexporter/internal/byseries",
	"exporters/prometheustsdbexporter/internal/collapse",
	"exporters/prometheustsdbexporter/internal/collision",
	"processors/cardinalityguardprocessor/internal/admission",
	"processors/cardinalityguardprocessor/internal/fold",
	"processors/windowrollupprocessor/internal/rollup",
	"receivers/kafkareplayreceiver/internal/pace",
	"receivers/kafkareplayreceiver/internal/replay",
	"receivers/kafkareplayreceiver/internal/slots",
	"receivers/kafkareplayreceiver/internal/selection",
}

// impure begin the imports that an algorithm can do without.
var impure = []string{
	"go.opentelemetry.io/collector/component", "go.opentelemetry.io/collector/consumer", "go.opentelemetry.io/collector/confmap",
	"go.opentelemetry.io/otel", "go.uber.org/zap", "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl", "github.com/twmb/franz-go",
}

func TestAlgorithmsKnowNoCollector(t *testing.T) {
	for _, dir := range pure {
		files, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files, dir)
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			require.NoError(t, err)
			for _, i := range f.Imports {
				name, err := strconv.Unquote(i.Path.Value)
				require.NoError(t, err)
				for _, p := range impure {
					assert.False(t, strings.HasPrefix(name, p), "%s imports %s", path, name)
				}
			}
		}
	}
}
