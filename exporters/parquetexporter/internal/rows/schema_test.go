package rows_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
)

// TestSchemaIsDocumented compares the tables of schema.md, column by column, with what is written.
func TestSchemaIsDocumented(t *testing.T) {
	data, err := os.ReadFile("../../schema.md")
	require.NoError(t, err)
	doc := string(data)
	require.Contains(t, doc, "Schema version: "+rows.SchemaVersion+"\n")
	for signal, columns := range map[string][]string{
		"logs":    rows.NewLogs().Columns(),
		"traces":  rows.NewTraces().Columns(),
		"metrics": rows.NewMetrics().Columns(),
	} {
		_, section, ok := strings.Cut(doc, "\n## "+signal+"\n")
		require.True(t, ok, "schema.md has no section %s", signal)
		section, _, _ = strings.Cut(section, "\n## ")
		var documented []string
		for line := range strings.Lines(section) {
			cells := strings.Split(strings.TrimSpace(line), "|")
			if len(cells) != 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
				continue
			}
			name, typ := strings.Trim(cells[1], " `"), strings.Trim(cells[2], " `")
			require.NotEmpty(t, strings.TrimSpace(cells[3]), "%s.%s has no meaning", signal, name)
			documented = append(documented, name+" "+typ)
		}
		require.Equal(t, columns, documented, "columns of %s", signal)
	}
}
