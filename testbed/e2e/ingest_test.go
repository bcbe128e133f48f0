package e2e

import (
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// The query of the receiver's README finds payloads in the lake, byte for byte; those that are text are scrubbed. The server's own fields are beside them.
func TestPayloadsInTheLake(t *testing.T) {
	p := process.Start(t, process.Settings{Args: []string{lakeSoon}})
	const binary = "\x00\xff\xfe jane@example.com \x80"
	for kind, body := range map[string]string{"application/octet-stream": binary, "application/xml": "<to>jane@example.com</to>"} {
		answer, err := send.Post(p.Ingest(), "/api/v1/logs/ingest", []byte(body), "Content-Type", kind)
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, answer.Status, answer.Body)
	}
	ask.AwaitLakeRows(t, p.Lake(), map[string]int64{"logs": 2})
	p.Terminate(t)
	query := "CREATE VIEW logs AS FROM " + ask.Lake(p.Lake(), "logs") + ";\n" + block(t, "../../receivers/ingestreceiver/README.md", "sql")
	rows, err := ask.SQL(t, query)
	require.NoError(t, err)
	require.Len(t, rows, 2)
	assert.Equal(t, []any{"application/octet-stream", hex.EncodeToString([]byte(binary))}, []any{rows[0][0], rows[0][1]})
	assert.Equal(t, []any{"application/xml", hex.EncodeToString([]byte("<to>[REDACTED:email]</to>"))}, []any{rows[1][0], rows[1][1]})
	for _, row := range rows {
		assert.Equal(t, "127.0.0.1", row[2])
		assert.NotEmpty(t, row[3], "the id")
		assert.NotEmpty(t, row[4], "the time of receipt")
	}
}
