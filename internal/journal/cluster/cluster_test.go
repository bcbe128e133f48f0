package cluster_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"go.opentelemetry.io/collector/confmap"
	"golang.org/x/sync/errgroup"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
)

func kafka(t *testing.T, opts ...kfake.Opt) (cluster.Config, *kgo.Client) {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(k.Close)
	config := cluster.DefaultConfig()
	config.Brokers = k.ListenAddrs()
	config.TopicPrefix = "p"
	return config, client(t, &config)
}

func client(t *testing.T, config *cluster.Config) *kgo.Client {
	t.Helper()
	opts, err := config.Options(t.Context())
	require.NoError(t, err)
	c, err := kgo.NewClient(append(opts, kgo.MetadataMinAge(10*time.Millisecond))...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func topics() cluster.TopicsConfig {
	c := cluster.DefaultTopicsConfig()
	c.Partitions = 4
	return c
}

func TestTopicsAreMadeOnceWithWhatThePromiseRestsOn(t *testing.T) {
	_, c := kafka(t)
	for range 2 {
		layout, maxMessage, err := cluster.Ensure(t.Context(), c, "p", journal.Metrics, topics())
		require.NoError(t, err)
		assert.Equal(t, journal.Layout{Partitions: 4, Shards: 1, Keys: journal.KeysVersion}, layout)
		assert.EqualValues(t, cluster.RecordBytes, maxMessage)
	}
	adm := kadm.NewClient(c)
	described, err := adm.DescribeTopicConfigs(t.Context(), "p.metrics", "p.deadletter", "p.layout")
	require.NoError(t, err)
	setting := func(topic, key string) (value string) {
		rc, err := described.On(topic, nil)
		require.NoError(t, err)
		for _, kv := range rc.Configs {
			if kv.Key == key {
				value = kv.MaybeValue()
			}
		}
		return value
	}
	assert.Equal(t, "2", setting("p.metrics", "min.insync.replicas"))
	assert.Equal(t, "604800000", setting("p.metrics", "retention.ms"))
	assert.Equal(t, "33554432", setting("p.deadletter", "max.message.bytes"))
	assert.Equal(t, "-1", setting("p.layout", "retention.ms"))
	read, err := cluster.ReadLayout(t.Context(), c, "p", journal.Metrics)
	require.NoError(t, err)
	assert.Equal(t, int32(4), read.Partitions)
}

// A broker that does not know a topic yet is queried again, for the journal and for other topics.
func TestABrokerThatDoesNotKnowATopicYetIsAskedAgain(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(3))
	require.NoError(t, err)
	t.Cleanup(k.Close)
	config := cluster.DefaultConfig()
	config.Brokers = k.ListenAddrs()
	c := client(t, &config)
	var asked atomic.Int64
	unknown := func() { // for the first question from now on
		k.ControlKey(int16(kmsg.DescribeConfigs), func(r kmsg.Request) (kmsg.Response, error, bool) {
			asked.Add(1)
			request := r.(*kmsg.DescribeConfigsRequest)
			response := request.ResponseKind().(*kmsg.DescribeConfigsResponse)
			for _, resource := range request.Resources {
				answer := kmsg.NewDescribeConfigsResponseResource()
				answer.ResourceType, answer.ResourceName, answer.ErrorCode = resource.ResourceType, resource.ResourceName, kerr.UnknownTopicOrPartition.Code
				response.Resources = append(response.Resources, answer)
			}
			return response, nil, true
		})
	}
	unknown()
	_, maxMessage, err := cluster.Ensure(t.Context(), c, "p", journal.Logs, topics())
	require.NoError(t, err)
	assert.EqualValues(t, cluster.RecordBytes, maxMessage)
	unknown()
	_, err = cluster.EnsureState(t.Context(), c, "p", journal.Logs, "g")
	require.NoError(t, err)
	assert.EqualValues(t, 2, asked.Load())
	described, err := kadm.NewClient(c).DescribeTopicConfigs(t.Context(), journal.Logs.StateTopic("p", "g"))
	require.NoError(t, err)
	for _, kv := range described[0].Configs {
		if kv.Key == "min.insync.replicas" {
			assert.Equal(t, "2", kv.MaybeValue())
		}
	}
}

func TestTopicsThatBreakThePromiseAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		replicas int16
		configs  map[string]string
		want     string
	}{
		"one replica":     {1, map[string]string{"min.insync.replicas": "2"}, "1 replicas and min.insync.replicas=2"},
		"min ISR 1":       {3, nil, "3 replicas and min.insync.replicas=1: the loss of one broker"},
		"unclean":         {3, map[string]string{"min.insync.replicas": "2", "unclean.leader.election.enable": "true"}, "unclean.leader.election.enable=true"},
		"short retention": {3, map[string]string{"min.insync.replicas": "2", "retention.ms": "60000"}, "retention.ms=60000 is shorter than survive_outage (24h0m0s)"},
		"compacted":       {3, map[string]string{"min.insync.replicas": "2", "cleanup.policy": "compact"}, "cleanup.policy=compact"},
	} {
		t.Run(name, func(t *testing.T) {
			_, k := kafka(t)
			configs := map[string]*string{}
			for key, value := range c.configs {
				configs[key] = &value
			}
			_, err := kadm.NewClient(k).CreateTopic(t.Context(), 4, c.replicas, configs, "p.logs")
			require.NoError(t, err)
			_, _, err = cluster.Ensure(t.Context(), k, "p", journal.Logs, topics())
			require.ErrorIs(t, err, cluster.ErrRefused)
			require.ErrorContains(t, err, c.want)
			weak := topics()
			weak.AllowWeakDurability = true
			_, _, err = cluster.Ensure(t.Context(), k, "p", journal.Logs, weak)
			if name == "compacted" {
				require.ErrorIs(t, err, cluster.ErrRefused)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

func TestAnotherLayoutIsRefused(t *testing.T) {
	_, c := kafka(t)
	_, _, err := cluster.Ensure(t.Context(), c, "p", journal.Metrics, topics())
	require.NoError(t, err)
	other := topics()
	other.Shards = 2
	_, _, err = cluster.Ensure(t.Context(), c, "p", journal.Metrics, other)
	require.ErrorIs(t, err, cluster.ErrRefused)
	require.ErrorContains(t, err, "shards: topic p.metrics was created with 1, not 2")
	other = topics()
	other.Partitions = 8
	_, _, err = cluster.Ensure(t.Context(), c, "p", journal.Metrics, other)
	require.ErrorContains(t, err, "partitions: topic p.metrics was created with 4, not 8")

	_, err = kadm.NewClient(c).CreatePartitions(t.Context(), 4, "p.metrics")
	require.NoError(t, err)
	_, _, err = cluster.Ensure(t.Context(), c, "p", journal.Metrics, other)
	require.ErrorContains(t, err, "was created with 4, not 8", "an administrator's change does not make it right")
}

func TestAFollowerWithoutAJournalIsTold(t *testing.T) {
	_, c := kafka(t)
	_, _, err := cluster.Ensure(t.Context(), c, "p", journal.Metrics, topics())
	require.NoError(t, err)
	_, err = cluster.ReadLayout(t.Context(), c, "p", journal.Traces)
	require.ErrorIs(t, err, cluster.ErrRefused)
}

func TestSASL(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(mechanism, "user", "secret"))
			require.NoError(t, err)
			defer k.Close()
			config := cluster.DefaultConfig()
			config.Brokers = k.ListenAddrs()
			config.SASL = configoptional.Some(cluster.SASLConfig{Mechanism: mechanism, Username: "user", Password: "secret"})
			require.NoError(t, confmap.Validate(config))
			require.NoError(t, client(t, &config).Ping(t.Context()))
			config.SASL = configoptional.Some(cluster.SASLConfig{Mechanism: mechanism, Username: "user", Password: "wrong"})
			require.Error(t, client(t, &config).Ping(t.Context()))
		})
	}
}

// hooks counts the records that are buffered.
type hooks struct{ buffered chan struct{} }

func (h hooks) OnProduceRecordPartitioned(*kgo.Record, int32) { h.buffered <- struct{}{} }

func TestWhatComesMeanwhileSharesTheNextRequest(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "p.logs"))
	require.NoError(t, err)
	t.Cleanup(k.Close)
	const writers = 50
	buffered := hooks{make(chan struct{}, writers+10)}
	// Without rounds the records would linger.
	p, err := cluster.NewProducer([]kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...), kgo.ProducerLinger(time.Minute), kgo.WithHooks(buffered)}, 1<<20, 1<<20, nil)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	write := func(i int) error {
		_, err := p.Write(t.Context(), []*kgo.Record{{Topic: "p.logs", Partition: -1, Key: []byte{byte(i)}, Value: []byte("v")}})
		return err
	}
	var all errgroup.Group
	all.Go(func() error { return write(0) })
	<-buffered.buffered
	require.NoError(t, p.Client().Flush(t.Context())) // The topic was unknown when the round began.
	require.NoError(t, all.Wait())                    // From here on the client would have five requests in flight.

	var requests atomic.Int64
	held, release := make(chan struct{}, 1), make(chan struct{})
	k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		if requests.Add(1) == 1 {
			held <- struct{}{}
			k.SleepControl(func() { <-release })
		}
		return nil, nil, false
	})
	all.Go(func() error { return write(0) })
	<-held
	<-buffered.buffered
	for i := range writers {
		all.Go(func() error { return write(i) })
	}
	for range writers {
		<-buffered.buffered
	}
	close(release)
	require.NoError(t, all.Wait())
	assert.EqualValues(t, 2, requests.Load())
}

// A bootstrap broker that does not answer (its host is down, or a firewall drops its packets) is not the first that every client asks: while a caller waits
// a few seconds only, a gateway would never start.
func TestEveryBootstrapBrokerIsTheFirstOfSomeClient(t *testing.T) {
	config := cluster.DefaultConfig()
	config.Brokers = []string{"a:1", "b:1", "c:1"}
	first := map[string]bool{}
	for range 200 {
		opts, err := config.Options(t.Context())
		require.NoError(t, err)
		c, err := kgo.NewClient(opts...)
		require.NoError(t, err)
		seeds, ok := c.OptValue(kgo.SeedBrokers).([]string)
		require.True(t, ok)
		require.ElementsMatch(t, config.Brokers, seeds)
		first[seeds[0]] = true
		c.Close()
	}
	assert.Len(t, first, 3)
	assert.Equal(t, []string{"a:1", "b:1", "c:1"}, config.Brokers, "its messages name them in their order")
}

func TestConfigIsChecked(t *testing.T) {
	for want, change := range map[string]func(*cluster.Config){
		"brokers: must name at least one":                           func(c *cluster.Config) { c.Brokers = nil },
		`brokers: "kafka" is not host:port`:                         func(c *cluster.Config) { c.Brokers = []string{"kafka"} },
		`topic_prefix: "a/b" must be`:                               func(c *cluster.Config) { c.TopicPrefix = "a/b" },
		`sasl: mechanism: "KERBEROS" is not one of`:                 func(c *cluster.Config) { c.SASL = configoptional.Some(cluster.SASLConfig{Mechanism: "KERBEROS"}) },
		"sasl: username, password: must be set for mechanism PLAIN": func(c *cluster.Config) { c.SASL = configoptional.Some(cluster.SASLConfig{Mechanism: "PLAIN"}) },
		"sasl: token_file: must be set for mechanism OAUTHBEARER":   func(c *cluster.Config) { c.SASL = configoptional.Some(cluster.SASLConfig{Mechanism: "OAUTHBEARER"}) },
		"tls: invalid TLS min_version: unsupported TLS version: \"9": func(c *cluster.Config) {
			c.TLS = configoptional.Some(configtls.ClientConfig{Config: configtls.Config{MinVersion: "9"}})
		},
	} {
		config := cluster.DefaultConfig()
		config.Brokers = []string{"127.0.0.1:9092"}
		require.NoError(t, confmap.Validate(config))
		change(&config)
		assert.ErrorContains(t, confmap.Validate(config), want)
	}
	for want, change := range map[string]func(*cluster.TopicsConfig){
		"partitions: 0 must be at least 1":             func(c *cluster.TopicsConfig) { c.Partitions = 0 },
		"shards: -1 must be":                           func(c *cluster.TopicsConfig) { c.Shards = -1 },
		"min_insync_replicas: 4 must be between 1 and": func(c *cluster.TopicsConfig) { c.MinInsyncReplicas = 4 },
		"min_insync_replicas: with 1 the loss of":      func(c *cluster.TopicsConfig) { c.MinInsyncReplicas = 1 },
		"retention: 1h0m0s is shorter than":            func(c *cluster.TopicsConfig) { c.Retention = time.Hour },
		"replication_factor: 0 must be":                func(c *cluster.TopicsConfig) { c.ReplicationFactor = 0 },
	} {
		config := cluster.DefaultTopicsConfig()
		require.NoError(t, confmap.Validate(config))
		change(&config)
		assert.ErrorContains(t, confmap.Validate(config), want)
	}
}

func TestReadAllReadsToTheCommittedEnd(t *testing.T) {
	config, c := kafka(t)
	_, err := kadm.NewClient(c).CreateTopic(t.Context(), 1, 3, nil, "t")
	require.NoError(t, err)
	produce := func(value string, end kgo.TransactionEndTry) {
		opts, err := config.Options(t.Context())
		require.NoError(t, err)
		tx, err := kgo.NewClient(append(opts, kgo.TransactionalID("x"))...)
		require.NoError(t, err)
		defer tx.Close()
		require.NoError(t, tx.BeginTransaction())
		require.NoError(t, tx.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte(value)}).FirstErr())
		require.NoError(t, tx.EndTransaction(t.Context(), end))
	}
	produce("a", kgo.TryCommit)
	produce("aborted", kgo.TryAbort)
	produce("b", kgo.TryCommit)
	produce("aborted at the end", kgo.TryAbort)
	var got []string
	require.NoError(t, cluster.ReadAll(t.Context(), c, "t", 0, func(r *kgo.Record) { got = append(got, string(r.Value)) }))
	assert.Equal(t, []string{"a", "b"}, got)
}

func TestRecordsGoWhereTheySayOrWhereTheKeySays(t *testing.T) {
	config, c := kafka(t, kfake.SeedTopics(4, "t"))
	opts, err := config.Options(t.Context())
	require.NoError(t, err)
	p, err := cluster.NewProducer(opts, 1<<20, 1<<20, nil)
	require.NoError(t, err)
	defer p.Close()
	var records []*kgo.Record
	for i := range int32(4) {
		records = append(records, &kgo.Record{Topic: "t", Partition: i, Key: []byte("same"), Value: []byte("v")})
	}
	records = append(records, &kgo.Record{Topic: "t", Partition: -1, Key: []byte("same")}, &kgo.Record{Topic: "t", Partition: -1, Key: []byte("same")})
	failed, err := p.Write(t.Context(), records)
	require.NoError(t, err)
	assert.Empty(t, failed)
	for i, r := range records[:4] {
		assert.EqualValues(t, i, r.Partition)
	}
	other := &kgo.Record{Topic: "t", Key: []byte("same")}
	require.NoError(t, c.ProduceSync(t.Context(), other).FirstErr()) // Kafka's default partitioner agrees
	assert.Equal(t, other.Partition, records[4].Partition)
	assert.Equal(t, other.Partition, records[5].Partition)
	assert.Zero(t, p.InFlight())
}

func TestWhatIsInFlightIsBounded(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	require.NoError(t, err)
	defer k.Close()
	held, release := make(chan struct{}), make(chan struct{})
	k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.DropControl()
		close(held)
		<-release
		return nil, nil, false
	})
	config := cluster.DefaultConfig()
	config.Brokers = k.ListenAddrs()
	opts, err := config.Options(t.Context())
	require.NoError(t, err)
	p, err := cluster.NewProducer(opts, 100, 1<<20, nil)
	require.NoError(t, err)
	defer p.Close()
	done := make(chan error)
	go func() {
		_, err := p.Write(t.Context(), []*kgo.Record{{Topic: "t", Partition: 0, Value: make([]byte, 60)}})
		done <- err
	}()
	<-held
	assert.EqualValues(t, 60, p.InFlight())
	_, err = p.Write(t.Context(), []*kgo.Record{{Topic: "t", Partition: 0, Value: make([]byte, 60)}})
	require.ErrorIs(t, err, cluster.ErrBusy)
	close(release)
	require.NoError(t, <-done)
	_, err = p.Write(t.Context(), []*kgo.Record{{Topic: "t", Partition: 0, Value: make([]byte, 600)}})
	require.NoError(t, err, "more than the bound, alone")
}
