//go:build full

package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
)

var (
	mergeKills = flag.Int("merge-kills", 200, "kills of TestMergesSurviveTwoHundredKills, half of them on disk")
	mergeKept  = flag.String("merge-kept", "", "a file that keeps the kills of each lake, a line each: kills of one binary, and of each place, add up over runs")
)

// killsOfALake is how many kills one lake lives through: a run that is cut short loses the kills of one lake.
const killsOfALake = 20

func TestMergesSurviveTwoHundredKills(t *testing.T) {
	t.Run("on disk", func(t *testing.T) {
		t.Parallel()
		killLakes(t, "disk", (*mergeKills+1)/2, func(t *testing.T, _ uint64) lakePlace { return onDisk(t) })
	})
	t.Run("in an object store", func(t *testing.T) {
		t.Parallel()
		killLakes(t, "gofakes3", *mergeKills/2, inStore)
	})
}

// killLakes kills gateways until a place had so many kills, those of earlier runs of the binary included. Each lake has its own moments.
func killLakes(t *testing.T, name string, kills int, place func(t *testing.T, seed uint64) lakePlace) {
	content, err := os.ReadFile(process.Binary(t))
	require.NoError(t, err)
	binary := fmt.Sprintf("%x", sha256.Sum256(content))[:12]
	done, lakes := keptKills(t, name, binary)
	for ; done < kills; lakes++ {
		now := killed{Place: name, Binary: binary, Seed: 100 + lakes, At: time.Now()}
		passed := t.Run(fmt.Sprint("lake ", lakes), func(t *testing.T) { // a name that a path can have: tables name files by URL
			now.Failed = true // unless it ends
			defer func() { keepKills(t, now) }()
			killMerging(t, place(t, now.Seed), min(killsOfALake, kills-done), now.Seed, &now)
			now.Failed = t.Failed()
		})
		done += now.Kills
		if !passed {
			return
		}
		t.Logf("%s: %d of %d kills", name, done, kills)
	}
}

// keptKills returns the kills of earlier runs, and how many lakes had them.
func keptKills(t *testing.T, place, binary string) (kills int, lakes uint64) {
	f, err := os.Open(*mergeKept)
	if *mergeKept == "" || errors.Is(err, fs.ErrNotExist) {
		return 0, 0
	}
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var k killed
		require.NoError(t, json.Unmarshal(lines.Bytes(), &k))
		if k.Place == place && k.Binary == binary {
			kills += k.Kills
			lakes++
		}
	}
	require.NoError(t, lines.Err())
	return kills, lakes
}

func keepKills(t *testing.T, k killed) {
	if *mergeKept == "" {
		return
	}
	line, err := json.Marshal(k)
	require.NoError(t, err)
	f, err := os.OpenFile(*mergeKept, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = f.Write(append(line, '\n'))
	require.NoError(t, errors.Join(err, f.Close()))
}
