//go:build full

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/freeport"
	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/objects"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

// inVersity is a lake behind versitygw, an S3 server over a directory: a second opinion on what the protocol allows. It outlives the gateway under test.
func inVersity(t *testing.T, _ uint64) lakePlace {
	binary := filepath.Join(filepath.Dir(process.Binary(t)), "backends", "versitygw")
	require.FileExists(t, binary, "run `make -C testbed/backends versitygw` first")
	dir, address := t.TempDir(), freeport.Claim(t, 1)[0]
	require.NoError(t, os.Mkdir(filepath.Join(dir, objects.Bucket), 0o700))
	cmd := exec.Command(binary, "--access", "key", "--secret", "secret", "--region", "us-east-1", "--port", address, "posix", dir)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	ask.Eventually(t, func() error {
		_, _, err := process.Fetch(t.Context(), "http://"+address)
		return err
	})
	return lakePlace{
		env:  map[string]string{"PENSTOCK_LAKE_URL": "s3://" + objects.Bucket + "/some/lake?region=us-east-1&path_style=true&endpoint=http://" + address, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"},
		root: "s3://" + objects.Bucket + "/some/lake", local: func(*testing.T) string { return filepath.Join(dir, objects.Bucket, "some", "lake") },
		faults: func(float64) {}, met: func() map[string]int { return nil },
		reader: map[string]string{"s3.endpoint": "http://" + address, "s3.access-key-id": "key", "s3.secret-access-key": "secret", "s3.region": "us-east-1", "s3.force-virtual-addressing": "false"},
	}
}

func TestMergesSurviveKillsInVersity(t *testing.T) {
	killLakes(t, "versitygw", max(*mergeKills/20, 1), inVersity)
}
