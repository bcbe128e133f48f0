package broker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/broker"
)

// childDirectory, when set, makes the test binary a broker that writes to itself and prints the acknowledged offsets.
const childDirectory = "PENSTOCK_TEST_BROKER_DIRECTORY"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDirectory); dir != "" {
		if err := writeForever(dir, os.Getenv("PENSTOCK_TEST_ROUND")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// writeUntilKilled runs a child and kills it after a number of acknowledgements that depends on the round.
func writeUntilKilled(t *testing.T, dir string, round int, acknowledged map[string]bool) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDirectory+"="+dir, fmt.Sprintf("PENSTOCK_TEST_ROUND=%d", round))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	n := 0
	for lines := bufio.NewScanner(out); lines.Scan(); n++ {
		acknowledged[lines.Text()] = true
		if n == 300*(round+1) {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.Error(t, child.Wait())
	require.GreaterOrEqual(t, n, 300*(round+1), "the child ended by itself")
}

// writeForever produces from eight goroutines, with transactions going on beside them.
func writeForever(dir, round string) error {
	b, err := broker.Open(settings(dir))
	if err != nil {
		return err
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(b.Address()), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	ctx := context.Background()
	if _, err := kadm.NewClient(c).CreateTopic(ctx, 1, 1, nil, topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				v := fmt.Sprintf("%s/%d/%d", round, worker, n)
				if err := c.ProduceSync(ctx, record(v)).FirstErr(); err == nil {
					mu.Lock()
					fmt.Println(v)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return nil
}
