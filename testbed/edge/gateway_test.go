package edge

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/gateway"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// loki takes pushes in JSON, or is away.
type loki struct {
	mu   sync.Mutex
	away bool           // guarded by mu
	got  map[string]int // guarded by mu; lines
}

func (l *loki) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	reader := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzip, err := gzip.NewReader(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		reader = unzip
	}
	var push struct {
		Streams []struct{ Values [][]json.RawMessage }
	}
	if json.NewDecoder(reader).Decode(&push) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, stream := range push.Streams {
		for _, value := range stream.Values {
			var line string
			if len(value) > 1 && json.Unmarshal(value[1], &line) == nil {
				l.got[line]++
			}
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (l *loki) leave(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
}

func (l *loki) lines() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]int{}
	for line, n := range l.got {
		all[line] = n
	}
	return all
}

// bare prepares a gateway without Kafka: its data waits for each sink on its disk.
func bare(t *testing.T, g *gateway.Gateway, env map[string]string, args ...string) *process.Process {
	t.Helper()
	env["PENSTOCK_OTLP_EXPORT_ENDPOINT"] = g.Address
	return process.New(t, process.Settings{Configs: []string{"profile:gateway"}, Env: env, Args: append([]string{
		"--set=exporters::otlp_grpc/forward::retry_on_failure::initial_interval=100ms",
		"--set=exporters::otlp_grpc/forward::retry_on_failure::max_interval=200ms",
		"--set=extensions::dead_letter::retry_interval=200ms"}, args...)})
}

// short says which of n ids from 0 on are missing.
func short(where string, counts map[string]int, n int) (doubled int, err error) {
	missing, first := 0, -1
	for i := range n {
		switch count := counts[fmt.Sprintf("id %d", i)]; {
		case count > 0:
			doubled += count - 1
		case first < 0:
			first, missing = i, 1
		default:
			missing++
		}
	}
	if missing > 0 {
		err = fmt.Errorf("%s: %d of %d are missing, the first is %d", where, missing, n, first)
	}
	return doubled, err
}

// A gateway without Kafka is killed repeatedly while its sinks go down and up: everything that it has acknowledged is in every sink at the end.
func gatewayUnderKills(t *testing.T, kills int) {
	l := &loki{got: map[string]int{}}
	server := httptest.NewServer(l)
	defer server.Close()
	g := gateway.New(t)
	p := bare(t, g, map[string]string{"PENSTOCK_LOKI_URL": server.URL}, "--set=exporters::loki::encoding=json", "--set=exporters::parquet::max_age=1s",
		"--set=exporters::loki::retry_on_failure::initial_interval=100ms", "--set=exporters::loki::retry_on_failure::max_interval=200ms")
	p.Begin(t)
	p.AwaitHealthy(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	sent, refused := 0, 0
	request := func(n int) bool { // again with the same ids until it is taken, as a client does
		answer, err := send.Logs(p.HTTP(), send.LogBatch("edge", sent, n))
		if err != nil || answer.Status != http.StatusOK {
			refused++
			return false
		}
		sent += n
		return true
	}
	statuses := []codes.Code{codes.Unavailable, codes.Unauthenticated, codes.PermissionDenied, codes.NotFound, codes.ResourceExhausted, codes.Internal}
	for round := range kills {
		l.leave(rng.IntN(2) == 0)
		switch rng.IntN(3) {
		case 0:
			code := statuses[round%len(statuses)]
			g.Decide(func(context.Context, []string) error { return status.Error(code, "not now") })
		case 1:
			g.Decide(nil)
		default:
			g.Stop(t)
		}
		for range 1 + rng.IntN(8) {
			request(50)
		}
		var load sync.WaitGroup
		if rng.IntN(3) > 0 { // in the middle of requests, else between two
			load.Go(func() {
				for request(50) { //nolint:revive // until the kill
				}
			})
		}
		p.Kill()
		load.Wait()
		if rng.IntN(4) == 0 { // while it recovers
			p.Begin(t)
			p.Kill()
		}
		p.Restart(t)
		g.Stop(t)
		g.Start(t)
	}
	l.leave(false)
	g.Decide(nil)
	for tries := 0; !request(50); tries++ {
		require.Less(t, tries, 100)
	}
	ask.Eventually(t, func() error {
		twice, err := short("the OTLP server", g.Bodies(), sent)
		if err != nil {
			return err
		}
		again, err := short("Loki", l.lines(), sent)
		if err == nil {
			t.Logf("%d records acknowledged, %d requests refused or cut off; %d and %d came twice", sent, refused, twice, again)
		}
		return err
	})
	ask.Eventually(t, func() error {
		if len(ask.LakeFiles(t, p.Lake(), "logs")) == 0 {
			return fmt.Errorf("the lake is empty")
		}
		rows, err := ask.SQL(t, `select count(distinct body) from `+ask.Lake(p.Lake(), "logs")+` where body like 'id %'`)
		if err != nil {
			return err
		}
		if n := int(rows[0][0].(float64)); n < sent {
			return fmt.Errorf("%d of %d are in the lake", n, sent)
		}
		return nil
	})
	assert.Empty(t, deadLetters(t, p))
	p.Terminate(t)
}

func TestAGatewayWithoutKafkaIsKilled(t *testing.T) { gatewayUnderKills(t, 6) }

// smallDisk returns a directory of size bytes in a mount namespace, and the command that runs another one in there.
func smallDisk(t *testing.T, size string) (dir string, under []string) {
	t.Helper()
	dir = t.TempDir()
	holder := exec.Command("unshare", "-rm", "sh", "-c", `mount -t tmpfs -o size="$1" none "$0" && echo ready && exec cat`, dir, size)
	in, err := holder.StdinPipe() // it ends with this test
	require.NoError(t, err)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	if err := holder.Start(); err != nil {
		t.Skipf("no disk of a test's own: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = holder.Wait()
	})
	answer := make([]byte, 5)
	if _, err := io.ReadFull(out, answer); err != nil {
		t.Skip("no disk of a test's own: this system lets nobody mount one")
	}
	return dir, []string{"nsenter", "-t", fmt.Sprint(holder.Process.Pid), "-U", "--preserve-credentials", "-m"}
}

// The disk of the queue is full: clients are refused temporarily, also after a kill -9, and all accepted data arrives once the sink is up.
func TestAFullDiskUnderTheQueues(t *testing.T) {
	if _, err := os.Stat("/usr/bin/nsenter"); err != nil {
		t.Skip("needs nsenter")
	}
	dir, under := smallDisk(t, "32m")
	g := gateway.New(t)
	g.Decide(func(context.Context, []string) error { return status.Error(codes.Unavailable, "away") })
	p := bare(t, g, map[string]string{"PENSTOCK_LAKE_URL": "off", "PENSTOCK_DATA_DIR": dir})
	p.Under = under
	p.Begin(t)
	p.AwaitHealthy(t)
	sent := 0
	padding := strings.Repeat("0123456789abcdef", 1<<16/16)
	request := func() send.Answer {
		logs := send.LogBatch("edge", sent, 8)
		for _, r := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			r.Attributes().PutStr("padding", padding)
		}
		answer, err := send.Logs(p.HTTP(), logs)
		require.NoError(t, err)
		if answer.Status == http.StatusOK {
			sent += 8
		}
		return answer
	}
	fill := func() {
		for tries := 0; ; tries++ {
			require.Less(t, tries, 200, "the disk never fills")
			if answer := request(); answer.Status != http.StatusOK {
				require.Equal(t, http.StatusServiceUnavailable, answer.Status, "a client may come back: %s", answer.Body)
				return
			}
		}
	}
	fill()
	full := sent
	require.Positive(t, full)
	p.Kill()
	p.Restart(t)
	fill()
	g.Decide(nil)
	ask.Eventually(t, func() error {
		_, err := short("the OTLP server", g.Bodies(), sent)
		return err
	})
	ask.Eventually(t, func() error { // and there is room again
		if answer := request(); answer.Status != http.StatusOK {
			return fmt.Errorf("%d %s", answer.Status, answer.Body)
		}
		return nil
	})
	doubled := whole(t, g, sent)
	t.Logf("%d records taken before the disk was full, %d in all, %d came twice", full, sent, doubled)
	p.Terminate(t)
}
