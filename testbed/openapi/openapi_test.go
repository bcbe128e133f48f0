package openapi

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// examples is how many requests the fuzzer makes up for an operation, beside those that cover the description.
const examples = "40"

// schemathesis reads the description and sends what it allows and what it doesn't: each answer has a status, content type, headers and body that are described,
// none is a 5xx, and what is allowed is taken. Its requests are the same in each run. (An item that breaks the description does not make the request fail, so
// negative_data_rejection does not fit.)
func TestTheListenerIsAsDescribed(t *testing.T) {
	p := process.Start(t, process.Settings{})
	url := "http://" + p.Ingest()
	hooks, err := filepath.Abs(".")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, ask.Python(t), "-m", "schemathesis.cli", "run", url+"/api/v1/openapi.yaml", "--url", url, "--phases", "examples,coverage,fuzzing",
		"--exclude-checks", "negative_data_rejection", "--max-examples", examples, "--generation-deterministic", "--wait-for-schema", "60", "--request-timeout", "60", "--no-color")
	cmd.Dir = t.TempDir() // it leaves a cache of its own
	cmd.Env = append(os.Environ(), "SCHEMATHESIS_HOOKS=hooks", "PYTHONPATH="+hooks, "PYTHONDONTWRITEBYTECODE=1", "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "No issues found", "%s", out)

	resp, err := http.Get("http://" + p.Health() + "/")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, "the binary is as well as before")
}
