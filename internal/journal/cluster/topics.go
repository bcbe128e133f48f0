package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/journal"
)

// DeadLetterBytes is the largest record that the dead letter topic accepts: more than any request that a receiver accepts.
const DeadLetterBytes = 32 << 20

// RecordBytes is the largest record that a journal's topic accepts: an item of that size can't be divided.
const RecordBytes = DeadLetterBytes

const (
	minISR          = "min.insync.replicas"
	unclean         = "unclean.leader.election.enable"
	retention       = "retention.ms"
	policy          = "cleanup.policy"
	maxMessageBytes = "max.message.bytes"
	keepForEver     = "-1"
	deleteRecords   = "delete"
	compactRecords  = "compact"
)

// TopicsConfig are the settings for new topics, against which existing ones are checked.
type TopicsConfig struct {
	// Partitions of a journal topic; fixed when it is created. Default 12.
	Partitions int32 `mapstructure:"partitions"`
	// Shards over which the series of one service are distributed, metrics only; fixed when the topic is created. Default 1.
	Shards int32 `mapstructure:"shards"`
	// ReplicationFactor of new topics. Default 3.
	ReplicationFactor int16 `mapstructure:"replication_factor"`
	// MinInsyncReplicas of new topics: how many brokers have a record before it counts as written. Default 2.
	MinInsyncReplicas int `mapstructure:"min_insync_replicas"`
	// Retention of new topics: how far back a replay can go. Default 168h.
	Retention time.Duration `mapstructure:"retention"`
	// SurviveOutage is how long a sink may be down without loss: the start fails if a topic keeps records for less. Default 24h.
	SurviveOutage time.Duration `mapstructure:"survive_outage"`
	// AllowWeakDurability allows settings with which acknowledged records can be lost. For one machine.
	AllowWeakDurability bool `mapstructure:"allow_weak_durability"`
}

// DefaultTopicsConfig returns the defaults.
func DefaultTopicsConfig() TopicsConfig {
	return TopicsConfig{Partitions: 12, Shards: 1, ReplicationFactor: 3, MinInsyncReplicas: 2, Retention: 7 * 24 * time.Hour, SurviveOutage: 24 * time.Hour}
}

// Validate reports all problems at once.
func (c *TopicsConfig) Validate() (err error) {
	if c.Partitions < 1 {
		err = errors.Join(err, fmt.Errorf("partitions: %d must be at least 1", c.Partitions))
	}
	if c.Shards < 1 {
		err = errors.Join(err, fmt.Errorf("shards: %d must be at least 1", c.Shards))
	}
	if c.ReplicationFactor < 1 {
		err = errors.Join(err, fmt.Errorf("replication_factor: %d must be at least 1", c.ReplicationFactor))
	}
	if c.MinInsyncReplicas < 1 || c.MinInsyncReplicas > int(c.ReplicationFactor) {
		err = errors.Join(err, fmt.Errorf("min_insync_replicas: %d must be between 1 and replication_factor (%d)", c.MinInsyncReplicas, c.ReplicationFactor))
	}
	if c.Retention <= 0 || c.SurviveOutage <= 0 {
		err = errors.Join(err, fmt.Errorf("retention, survive_outage: %s and %s must be positive", c.Retention, c.SurviveOutage))
	}
	if !c.AllowWeakDurability {
		if c.MinInsyncReplicas < 2 {
			err = errors.Join(err, fmt.Errorf("min_insync_replicas: with %d the loss of one broker loses acknowledged records; set allow_weak_durability if that is intended", c.MinInsyncReplicas))
		}
		if c.Retention < c.SurviveOutage {
			err = errors.Join(err, fmt.Errorf("retention: %s is shorter than survive_outage (%s); set allow_weak_durability if that is intended", c.Retention, c.SurviveOutage))
		}
	}
	return err
}

// ErrRefused is wrapped by errors that no retry can fix: the configuration and the topics contradict each other.
var ErrRefused = errors.New("topics refused")

// Ensure creates the journal's topic for signal, the dead letter topic and the layout topic if they are missing, and checks existing ones against
// c. Errors that wrap [ErrRefused] are final; others mean that Kafka could not be reached.
//
// maxMessage is the topic's max.message.bytes.
func Ensure(ctx context.Context, client *kgo.Client, prefix string, signal journal.Signal, c TopicsConfig) (layout journal.Layout, maxMessage int32, err error) {
	adm := kadm.NewClient(client)
	want := journal.Layout{Partitions: c.Partitions, Shards: c.Shards, Keys: journal.KeysVersion}
	if signal != journal.Metrics {
		want.Shards = 1
	}
	topic := signal.Topic(prefix)
	ms := strconv.FormatInt(c.Retention.Milliseconds(), 10)
	common := map[string]*string{
		policy: kadm.StringPtr(deleteRecords), unclean: kadm.StringPtr("false"), minISR: kadm.StringPtr(strconv.Itoa(c.MinInsyncReplicas)),
	}
	for _, t := range []struct {
		name       string
		partitions int32
		configs    map[string]*string
	}{
		{journal.LayoutTopic(prefix), 1, with(common, retention, keepForEver)},
		{journal.DeadLetterTopic(prefix), 1, with(with(common, retention, ms), maxMessageBytes, strconv.Itoa(DeadLetterBytes))},
		{topic, c.Partitions, with(with(common, retention, ms), maxMessageBytes, strconv.Itoa(RecordBytes))},
	} {
		if err := create(ctx, adm, t.name, t.partitions, c.ReplicationFactor, t.configs); err != nil {
			return want, 0, err
		}
	}
	// Brokers, and the client's cache, learn of new topics at different times.
	if err := untilKnown(ctx, func() (err error) {
		maxMessage, err = check(ctx, adm, topic, want, c)
		return err
	}); err != nil {
		return want, 0, err
	}
	var have journal.Layout
	err = untilKnown(ctx, func() (err error) {
		have, err = fixLayout(ctx, client, prefix, signal, want)
		return err
	})
	if err != nil {
		return want, 0, err
	}
	if err := have.Check(topic, want); err != nil {
		return want, 0, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return want, maxMessage, nil
}

// untilKnown repeats do while brokers don't know a topic that was just created.
func untilKnown(ctx context.Context, do func() error) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := do()
		if !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-ticker.C:
		}
	}
}

func with(configs map[string]*string, key, value string) map[string]*string {
	out := map[string]*string{key: &value}
	for k, v := range configs {
		out[k] = v
	}
	return out
}

// create creates a topic if it is missing.
func create(ctx context.Context, adm *kadm.Client, topic string, partitions int32, replicas int16, configs map[string]*string) error {
	have, err := adm.ListTopics(ctx, topic)
	if err != nil {
		return fmt.Errorf("describe topic %s: %w", topic, err)
	}
	if have.Has(topic) {
		return nil
	}
	_, err = adm.CreateTopic(ctx, partitions, replicas, configs, topic)
	switch {
	case err == nil, errors.Is(err, kerr.TopicAlreadyExists):
		return nil
	case kerr.IsRetriable(err) || errors.Is(err, context.DeadlineExceeded) || !isKafka(err):
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	return fmt.Errorf("%w: create topic %s: %w", ErrRefused, topic, err)
}

func isKafka(err error) bool {
	var k *kerr.Error
	return errors.As(err, &k)
}

// check compares a topic with the requirements of the delivery guarantee, and returns its max.message.bytes.
func check(ctx context.Context, adm *kadm.Client, topic string, want journal.Layout, c TopicsConfig) (maxMessage int32, err error) {
	details, err := adm.ListTopics(ctx, topic)
	if err == nil {
		err = details.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("describe topic %s: %w", topic, err)
	}
	have := want
	have.Partitions = int32(len(details[topic].Partitions))
	if err := have.Check(topic, want); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	settings, err := settingsOf(ctx, adm, topic)
	if err != nil {
		return 0, err
	}
	var problems error
	if settings[policy] != "" && settings[policy] != deleteRecords {
		return 0, fmt.Errorf("%w: topic %s has %s=%s; a journal needs %s", ErrRefused, topic, policy, settings[policy], deleteRecords)
	}
	replicas := details[topic].Partitions.NumReplicas()
	if n, err := strconv.Atoi(settings[minISR]); err == nil && (n < 2 || replicas < 2) {
		problems = errors.Join(problems, fmt.Errorf("%d replicas and %s=%d: the loss of one broker loses acknowledged records", replicas, minISR, n))
	}
	if settings[unclean] == "true" {
		problems = errors.Join(problems, fmt.Errorf("%s=true: a replica without the last records can become leader", unclean))
	}
	if n, err := strconv.ParseInt(settings[retention], 10, 64); err == nil && n >= 0 && time.Duration(n)*time.Millisecond < c.SurviveOutage {
		problems = errors.Join(problems, fmt.Errorf("%s=%d is shorter than survive_outage (%s)", retention, n, c.SurviveOutage))
	}
	if problems != nil && !c.AllowWeakDurability {
		return 0, fmt.Errorf("%w: topic %s: %w; change the topic, or set allow_weak_durability", ErrRefused, topic, problems)
	}
	n, err := strconv.ParseInt(settings[maxMessageBytes], 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s of topic %s: %w", maxMessageBytes, topic, err)
	}
	return raise(ctx, adm, topic, int32(n)), nil
}

// raise makes a topic that was created with a smaller max.message.bytes accept records of RecordBytes, and returns the new limit. A client without
// permission to change topics continues with the present limit: larger items become dead letters.
func raise(ctx context.Context, adm *kadm.Client, topic string, have int32) int32 {
	if have >= RecordBytes {
		return have
	}
	want := strconv.Itoa(RecordBytes)
	answers, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: maxMessageBytes, Value: &want}}, topic)
	if err != nil || len(answers) != 1 || answers[0].Err != nil {
		return have
	}
	return RecordBytes
}

// settingsOf returns a topic's configuration, defaults included. A broker that doesn't know the topic yet answers with an error and no
// configuration: kerr.UnknownTopicOrPartition.
func settingsOf(ctx context.Context, adm *kadm.Client, topic string) (map[string]string, error) {
	described, err := adm.DescribeTopicConfigs(ctx, topic)
	var rc kadm.ResourceConfig
	if err == nil {
		rc, err = described.On(topic, nil)
	}
	if err = cmp.Or(err, rc.Err); err != nil {
		return nil, fmt.Errorf("read the configuration of topic %s: %w", topic, err)
	}
	settings := map[string]string{}
	for _, kv := range rc.Configs {
		settings[kv.Key] = kv.MaybeValue()
	}
	return settings, nil
}

// fixLayout returns the first recorded layout for signal, and records want if there is none.
func fixLayout(ctx context.Context, client *kgo.Client, prefix string, signal journal.Signal, want journal.Layout) (journal.Layout, error) {
	have, err := readLayout(ctx, client, prefix, signal)
	if err != nil || have != nil {
		return deref(have), err
	}
	value, err := json.Marshal(want)
	if err != nil {
		return want, err
	}
	record := &kgo.Record{Topic: journal.LayoutTopic(prefix), Partition: -1, Key: []byte(signal), Value: value}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return want, fmt.Errorf("record the layout of %s: %w", signal, err)
	}
	have, err = readLayout(ctx, client, prefix, signal) // Another gateway may have been first.
	if err == nil && have == nil {
		err = fmt.Errorf("the layout of %s was recorded, but the topic does not have it", signal)
	}
	return deref(have), err
}

func deref(l *journal.Layout) journal.Layout {
	if l == nil {
		return journal.Layout{}
	}
	return *l
}

// ReadLayout returns the layout with which a journal topic was created; [ErrRefused] if it has none.
func ReadLayout(ctx context.Context, client *kgo.Client, prefix string, signal journal.Signal) (journal.Layout, error) {
	have, err := readLayout(ctx, client, prefix, signal)
	if err == nil && have == nil {
		err = fmt.Errorf("%w: no kafka_replay processor has created the %s topics with prefix %s", ErrRefused, signal, prefix)
	}
	return deref(have), err
}

// readLayout returns the first layout recorded for signal, nil if there is none.
func readLayout(ctx context.Context, client *kgo.Client, prefix string, signal journal.Signal) (*journal.Layout, error) {
	var found *journal.Layout
	err := ReadAll(ctx, client, journal.LayoutTopic(prefix), 0, func(r *kgo.Record) {
		var l journal.Layout
		if found == nil && string(r.Key) == string(signal) && json.Unmarshal(r.Value, &l) == nil {
			found = &l
		}
	})
	return found, err
}
