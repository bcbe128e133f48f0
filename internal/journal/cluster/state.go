package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/journal"
)

// EnsureState creates the state topic of the followers called group if it is missing: with the partitions and replicas of the journal's topic, kept
// for ever (its owners trim it). It returns the journal's layout, or [ErrRefused] if there is no journal topic yet, or if the two don't match.
func EnsureState(ctx context.Context, client *kgo.Client, prefix string, signal journal.Signal, group string) (journal.Layout, error) {
	layout, err := ReadLayout(ctx, client, prefix, signal)
	if err != nil {
		return layout, err
	}
	return layout, beside(ctx, client, signal.Topic(prefix), signal.StateTopic(prefix, group), layout.Partitions, deleteRecords, keepForEver)
}

// EnsureLog creates a topic of one partition if it is missing, with as many replicas as the journal's layout topic, kept for ever. If there is no
// journal yet it returns an error that may disappear on a retry.
func EnsureLog(ctx context.Context, client *kgo.Client, prefix, topic string) error {
	return beside(ctx, client, journal.LayoutTopic(prefix), topic, 1, deleteRecords, keepForEver)
}

// tableAge is how long a broker that can't compact keeps the records of a table.
const tableAge = 48 * time.Hour

// EnsureTable creates a compacted topic of one partition, like EnsureLog: Kafka keeps the last record of each key. A broker that can't
// compact, such as embedded_kafka, keeps all records of the last two days instead.
func EnsureTable(ctx context.Context, client *kgo.Client, prefix, topic string) error {
	err := beside(ctx, client, journal.LayoutTopic(prefix), topic, 1, compactRecords, keepForEver)
	if errors.Is(err, kerr.InvalidConfig) {
		err = beside(ctx, client, journal.LayoutTopic(prefix), topic, 1, deleteRecords, strconv.FormatInt(tableAge.Milliseconds(), 10))
	}
	return err
}

// beside creates topic name if it is missing, with the replicas and in-sync replicas of topic like and the cleanup policy keep. age is
// its retention.ms.
func beside(ctx context.Context, client *kgo.Client, like, name string, partitions int32, keep, age string) error {
	adm := kadm.NewClient(client)
	details, err := adm.ListTopics(ctx, like)
	if err == nil {
		err = details.Error()
	}
	if err != nil {
		return fmt.Errorf("describe topic %s: %w", like, err)
	}
	var settings map[string]string
	err = untilKnown(ctx, func() (err error) {
		settings, err = settingsOf(ctx, adm, like)
		return err
	})
	if err != nil {
		return err
	}
	configs := map[string]*string{policy: &keep, retention: &age, unclean: kadm.StringPtr("false")}
	if n, ok := settings[minISR]; ok {
		configs[minISR] = &n
	}
	if err := create(ctx, adm, name, partitions, int16(details[like].Partitions.NumReplicas()), configs); err != nil {
		return err
	}
	return untilKnown(ctx, func() error {
		have, err := adm.ListTopics(ctx, name)
		if err == nil {
			err = have.Error()
		}
		if err == nil && len(have[name].Partitions) != int(partitions) {
			err = errors.Join(ErrRefused, fmt.Errorf("topic %s has %d partitions, not %d", name, len(have[name].Partitions), partitions))
		}
		return err
	})
}
