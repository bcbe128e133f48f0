package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/journal"
)

// EnsureState makes the state topic of the followers called group if it is missing: as many partitions and replicas as
// the journal's topic has, kept for ever (its owners trim it). It returns the journal's layout, or [ErrRefused] where there
// is no journal topic yet, or where the two don't match.
func EnsureState(ctx context.Context, client *kgo.Client, prefix string, signal journal.Signal, group string) (journal.Layout, error) {
	layout, err := ReadLayout(ctx, client, prefix, signal)
	if err != nil {
		return layout, err
	}
	return layout, ensureState(ctx, client, layout, signal.Topic(prefix), signal.StateTopic(prefix, group))
}

func ensureState(ctx context.Context, client *kgo.Client, layout journal.Layout, topic, state string) error {
	adm := kadm.NewClient(client)
	details, err := adm.ListTopics(ctx, topic)
	if err == nil {
		err = details.Error()
	}
	if err != nil {
		return fmt.Errorf("ask for topic %s: %w", topic, err)
	}
	described, err := adm.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return fmt.Errorf("ask for the settings of topic %s: %w", topic, err)
	}
	rc, err := described.On(topic, nil)
	if err != nil {
		return fmt.Errorf("ask for the settings of topic %s: %w", topic, err)
	}
	configs := map[string]*string{policy: kadm.StringPtr(deleteRecords), retention: kadm.StringPtr(keepForEver), unclean: kadm.StringPtr("false")}
	for _, kv := range rc.Configs {
		if kv.Key == minISR {
			configs[minISR] = kv.Value
		}
	}
	if err := create(ctx, adm, state, layout.Partitions, int16(details[topic].Partitions.NumReplicas()), configs); err != nil {
		return err
	}
	return untilKnown(ctx, func() error {
		have, err := adm.ListTopics(ctx, state)
		if err == nil {
			err = have.Error()
		}
		if err == nil && len(have[state].Partitions) != int(layout.Partitions) {
			err = errors.Join(ErrRefused, fmt.Errorf("state topic %s has %d partitions, the journal %d", state, len(have[state].Partitions), layout.Partitions))
		}
		return err
	})
}
