package smoke

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// tapOf opens a tap with a key, and returns a function that reads its next record.
func tapOf(t *testing.T, p *process.Process, key, query string) (next func() string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Admin()+"/console/v1/tap/records?"+query, nil)
	require.NoError(t, err)
	r.Header.Set("X-API-Key", key)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = answer.Body.Close() })
	require.Equal(t, http.StatusOK, answer.StatusCode)
	lines := bufio.NewScanner(answer.Body)
	next = func() string {
		for lines.Scan() {
			if !strings.HasPrefix(lines.Text(), `{"counts"`) {
				return lines.Text()
			}
		}
		t.Fatal("the tap has ended: ", lines.Err())
		return ""
	}
	require.True(t, lines.Scan(), "it is open when it has said how many records passed")
	return next
}

// What goes into the scrubber is seen scrubbed, in its pipeline, and by nobody but its tenant and operators.
func TestATapShowsATenantItsOwnScrubbedRecords(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	acme := newKey(t, keys, "--tenant", "acme", "--scope", "ingest,read")
	beta := newKey(t, keys, "--tenant", "beta", "--scope", "ingest,read")
	p := process.Start(t, process.Settings{Env: map[string]string{"PENSTOCK_KEYS_FILE": keys}})
	mine := tapOf(t, p, acme, "component=pii_scrubber&signal=logs&rate=100")
	theirs := tapOf(t, p, beta, "signal=logs&rate=100")
	everybodys := tapOf(t, p, p.AdminToken(t), "component=otlp&signal=logs&rate=100")
	status, text := callAs(t, http.MethodPost, "http://"+p.HTTP()+"/v1/logs", acme, string(logOf("shop", "paid by jane@example.com")))
	require.Equal(t, http.StatusOK, status, text)
	status, text = callAs(t, http.MethodPost, "http://"+p.HTTP()+"/v1/logs", beta, string(logOf("shop", "beta's")))
	require.Equal(t, http.StatusOK, status, text)

	before, after := mine(), mine()
	assert.Contains(t, before, `"side":"before","kind":"processor","component":"pii_scrubber","signal":"logs","pipeline":"logs","tenant":"acme"`)
	assert.Contains(t, after, `"side":"after","kind":"processor","component":"pii_scrubber"`)
	for _, line := range []string{before, after} {
		assert.NotContains(t, line, "jane")
		assert.Contains(t, line, "paid by [REDACTED:email]")
	}
	assert.Contains(t, theirs(), "beta's", "the first record that beta sees is its own")
	assert.Contains(t, everybodys()+everybodys(), "paid by [REDACTED:email]")
	status, text = callAs(t, http.MethodGet, "http://"+p.Admin()+"/console/v1/tap/records?tenant=acme", beta, "")
	assert.Equal(t, http.StatusBadRequest, status, text)

	// The command line, with a key; the tap is open before the record is there, or the next one is seen.
	var out, said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), process.Binary(t), "tap", "pii_scrubber", "--side", "before", "--signal", "logs", "--limit", "1", "--admin", "http://"+p.Admin(), "--header", "X-API-Key: "+acme)
	cmd.Stdout, cmd.Stderr = &out, &said
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ask.Eventually(t, func() error {
		callAs(t, http.MethodPost, "http://"+p.HTTP()+"/v1/logs", acme, string(logOf("shop", "paid by jane@example.com")))
		select {
		case err := <-ended:
			require.NoError(t, err, said.String())
			return nil
		default:
			return errors.New("no record yet")
		}
	})
	assert.Contains(t, out.String(), "before processor pii_scrubber (logs) tenant=acme paid by [REDACTED:email]")
	assert.Contains(t, said.String(), "1 were shown")
}

// Without a scrubber nothing is shown, and the answer says why.
func TestATapWithoutAScrubberShowsNothing(t *testing.T) {
	p := process.Start(t, process.Settings{Args: []string{"--set=service::pipelines::metrics::processors=[memory_limiter]", "--set=service::pipelines::logs::processors=[memory_limiter]",
		"--set=service::pipelines::traces::processors=[memory_limiter]", "--set=service::pipelines::metrics/host::processors=[memory_limiter]"}})
	status, text := callAs(t, http.MethodGet, "http://"+p.Admin()+"/console/v1/tap/records", "", "")
	assert.Equal(t, http.StatusConflict, status)
	assert.Contains(t, text, "no pii_scrubber runs in this collector")
	printed, code := call(t, "tap", "otlp", "--admin", "http://"+p.Admin())
	assert.Equal(t, 1, code)
	assert.Contains(t, printed, "no pii_scrubber runs in this collector")

	// The same process in a table.
	ask.Eventually(t, func() error {
		printed, code = call(t, "top", "--once", "--admin", "http://"+p.Admin())
		if !regexp.MustCompile(`(?m)^prometheus_tsdb +delivers `).MatchString(printed) {
			return fmt.Errorf("the TSDB is not open: %s", printed)
		}
		return nil
	})
	assert.Equal(t, 0, code, printed)
	for _, row := range []string{`(?m)^COMES IN +NOW +REFUSED +SIGNALS$`, `(?m)^otlp .* logs, metrics, traces$`, `(?m)^JOURNAL +written `, `(?m)^GUARD +\d+ series; `, `(?m)^prometheus_tsdb +delivers `, `(?m)^parquet +delivers `} {
		assert.Regexp(t, row, printed)
	}
	for line := range strings.Lines(printed) {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), 81, line)
	}
}
