package broker_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/broker"
	"github.com/penstockhq/penstock/internal/cputime"
)

// BenchmarkProduce compares the broker with kfake, which it has replaced, each with its default segments and flushed to disk: records of 5 KB that are each
// waited for, one partition, from some clients' goroutines at once.
func BenchmarkProduce(b *testing.B) {
	for _, writers := range []int{1, 16, 256} {
		for _, which := range []string{"kfake", "penstock"} {
			b.Run(fmt.Sprintf("writers=%d/%s", writers, which), func(b *testing.B) {
				address := startFor(b, which)
				c, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()))
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				if _, err := kadm.NewClient(c).CreateTopic(b.Context(), 1, 1, nil, topic); err != nil {
					b.Fatal(err)
				}
				measure(b, c, writers)
			})
		}
	}
}

func startFor(b *testing.B, which string) (address string) {
	b.Helper()
	if which == "kfake" {
		k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(b.TempDir()), kfake.SyncWrites(), kfake.BrokerConfigs(map[string]string{"log.segment.bytes": "4194304"}),
			kfake.ListenFn(func(network, _ string) (net.Listener, error) { return net.Listen(network, "127.0.0.1:0") }))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(k.Close)
		return k.ListenAddrs()[0]
	}
	k, err := broker.Open(broker.Settings{Address: "127.0.0.1:0", Directory: b.TempDir(), MaxBytes: 10 << 30, SegmentBytes: 16 << 20, TrimInterval: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := k.Close(); err != nil {
			b.Error(err)
		}
	})
	return k.Address()
}

// measure produces b.N records and reports the 99th percentile and CPU time, of client and broker together.
func measure(b *testing.B, c *kgo.Client, writers int) {
	value := randomBytes(5 << 10)
	b.SetBytes(int64(len(value)))
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	before := cputime.Spent()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				began := time.Now()
				if err := c.ProduceSync(context.Background(), &kgo.Record{Topic: topic, Value: value}).FirstErr(); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(began)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64((cputime.Spent()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}
