// Package kafka runs a real Apache Kafka for tests: brokers as processes on loopback, in KRaft mode, each a controller too.
package kafka

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/freeport"
)

// startTimeout is how long a start may take on a loaded machine.
const startTimeout = 3 * time.Minute

// Cluster is a running Kafka. A broker's number stays the same over Kill and Start.
type Cluster struct {
	jars    string
	dir     string
	id      string
	voters  string
	brokers []*broker
	client  *kgo.Client
}

type broker struct {
	address    string
	controller string
	properties string
	cmd        *exec.Cmd // nil when it is not running
	log        *output
}

// Jars is the directory that testbed/backends/kafka/Makefile fills.
func Jars(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "build", "backends", "kafka")
		if _, err := os.Stat(filepath.Join(path, ".complete")); err == nil {
			return path
		}
	}
	require.Fail(t, "no build/backends/kafka above the working directory: run `make kafka` first")
	return ""
}

// Start starts n brokers and returns when all are in the cluster. They are killed when the test ends.
func Start(t testing.TB, n int) *Cluster {
	t.Helper()
	id := make([]byte, 16)
	_, err := rand.Read(id)
	require.NoError(t, err)
	id[0] &= 0x7f // An id that begins with a dash is an option to Kafka's tool.
	c := &Cluster{jars: Jars(t), dir: t.TempDir(), id: base64.RawURLEncoding.EncodeToString(id)}
	ports := freeport.Claim(t, 2*n)
	var voters []string
	for i := range n {
		c.brokers = append(c.brokers, &broker{address: ports[2*i], controller: ports[2*i+1], log: &output{}})
		voters = append(voters, fmt.Sprintf("%d@%s", i, ports[2*i+1]))
	}
	c.voters = strings.Join(voters, ",")
	t.Cleanup(func() {
		for i := range c.brokers {
			c.Kill(i)
		}
		if t.Failed() {
			for i, b := range c.brokers {
				t.Logf("broker %d: %s", i, b.log.tail())
			}
		}
	})
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = c.format(i) })
	}
	wg.Wait()
	for i := range n {
		require.NoError(t, errs[i])
		c.launch(t, i)
	}
	c.client, err = kgo.NewClient(kgo.SeedBrokers(c.Addresses()...), kgo.MetadataMinAge(100*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(c.client.Close)
	c.await(t, n)
	return c
}

// java returns a JVM that begins fast and stays small.
func (c *Cluster) java(args ...string) *exec.Cmd {
	cmd := exec.Command("java", append([]string{"-Xms64m", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", c.jars + "/*"}, args...)...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (c *Cluster) format(i int) error {
	b := c.brokers[i]
	replicas := min(3, len(c.brokers))
	b.properties = filepath.Join(c.dir, fmt.Sprintf("broker-%d.properties", i))
	settings := map[string]any{
		"process.roles": "broker,controller", "node.id": i, "controller.quorum.voters": c.voters,
		"listeners":            fmt.Sprintf("PLAINTEXT://%s,CONTROLLER://%s", b.address, b.controller),
		"advertised.listeners": "PLAINTEXT://" + b.address, "controller.listener.names": "CONTROLLER", "inter.broker.listener.name": "PLAINTEXT",
		"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs":                       filepath.Join(c.dir, fmt.Sprintf("log-%d", i)), "auto.create.topics.enable": false,
		"offsets.topic.replication.factor": replicas, "offsets.topic.num.partitions": 4,
		"transaction.state.log.replication.factor": replicas, "transaction.state.log.min.isr": min(2, replicas), "transaction.state.log.num.partitions": 4,
		"group.initial.rebalance.delay.ms": 0, "broker.session.timeout.ms": 6000, "broker.heartbeat.interval.ms": 1000,
		"replica.lag.time.max.ms": 6000, "log.index.size.max.bytes": 1 << 20, "log.segment.bytes": 64 << 20,
	}
	var text strings.Builder
	for key, value := range settings {
		fmt.Fprintf(&text, "%s=%v\n", key, value)
	}
	if err := os.WriteFile(b.properties, []byte(text.String()), 0o600); err != nil {
		return err
	}
	if out, err := c.java("kafka.tools.StorageTool", "format", "-t", c.id, "-c", b.properties).CombinedOutput(); err != nil {
		return fmt.Errorf("format broker %d: %w: %s", i, err, out)
	}
	return nil
}

func (c *Cluster) launch(t testing.TB, i int) {
	t.Helper()
	b := c.brokers[i]
	cmd := c.java("kafka.Kafka", b.properties)
	cmd.Stdout, cmd.Stderr = b.log, b.log
	require.NoError(t, cmd.Start())
	b.cmd = cmd
}

// await returns when n brokers are in the cluster, and have every partition's replicas in sync.
func (c *Cluster) await(t testing.TB, n int) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(startTimeout); ; <-tick.C {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		meta, err := kadm.NewClient(c.client).Metadata(ctx)
		cancel()
		behind := 0
		if err == nil {
			for _, topic := range meta.Topics {
				for _, p := range topic.Partitions {
					if len(p.ISR) < min(n, len(p.Replicas)) {
						behind++
					}
				}
			}
		}
		if err == nil && len(meta.Brokers) >= n && behind == 0 {
			return
		}
		require.True(t, time.Now().Before(end), "%d brokers are not there after %s: %v, %d partitions behind", n, startTimeout, err, behind)
	}
}

// Addresses are the brokers' host:port.
func (c *Cluster) Addresses() []string {
	var all []string
	for _, b := range c.brokers {
		all = append(all, b.address)
	}
	return all
}

// Client is a client of the brokers; it is closed when the test ends.
func (c *Cluster) Client() *kgo.Client { return c.client }

// Kill ends broker i with SIGKILL.
func (c *Cluster) Kill(i int) {
	if b := c.brokers[i]; b.cmd != nil {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
		b.cmd = nil
	}
}

// Restart starts broker i again, and waits until all replicas are in sync.
func (c *Cluster) Restart(t testing.TB, i int) {
	t.Helper()
	c.launch(t, i)
	c.await(t, len(c.brokers))
}

// Tool runs one of Kafka's own command line tools, by its class, and returns what it prints.
func (c *Cluster) Tool(t testing.TB, class string, args ...string) string {
	t.Helper()
	var out, problems bytes.Buffer
	cmd := c.java(append([]string{class}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &problems
	require.NoError(t, cmd.Run(), "%s", &problems)
	return out.String()
}

// output keeps what a broker prints; exec writes from its own goroutine.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := o.buf.String()
	return text[max(0, len(text)-4000):]
}
