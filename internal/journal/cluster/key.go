package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/journal"
)

const (
	// keyRecord is the key of the records in the layout topic that hold a key.
	keyRecord = "hash_key"
	// MinKey is the length in bytes of the shortest key that [Key] accepts and returns.
	MinKey = 32
)

// keyValue is the value of such a record.
type keyValue struct {
	Secret []byte `json:"secret"` // base64
}

// Key returns the first key that was recorded in the layout topic of the journal: the same for every caller, for as long as the topic exists. If
// there is none it records own and reads again, because another gateway may have been first. If own is nil it only reads, and returns nil if there
// is none. A record without a key is ignored. It creates no topic: before a kafka_replay processor has done so, it returns an error that may
// disappear on a retry.
//
// Every reader of the topic can read the key.
func Key(ctx context.Context, client *kgo.Client, prefix string, own []byte) ([]byte, error) {
	have, err := readKey(ctx, client, prefix)
	if err != nil || have != nil || own == nil {
		return have, err
	}
	if len(own) < MinKey {
		return nil, fmt.Errorf("a key of %d bytes is too short, at least %d are needed", len(own), MinKey)
	}
	value, err := json.Marshal(keyValue{own})
	if err != nil {
		return nil, err
	}
	record := &kgo.Record{Topic: journal.LayoutTopic(prefix), Key: []byte(keyRecord), Value: value}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return nil, fmt.Errorf("record the key in %s: %w", record.Topic, err)
	}
	have, err = readKey(ctx, client, prefix)
	if err == nil && have == nil {
		err = errors.New("the key was recorded, but the topic does not have it")
	}
	return have, err
}

// readKey returns the first recorded key, nil if there is none.
func readKey(ctx context.Context, client *kgo.Client, prefix string) (found []byte, err error) {
	err = ReadAll(ctx, client, journal.LayoutTopic(prefix), 0, func(r *kgo.Record) {
		var v keyValue
		if found == nil && string(r.Key) == keyRecord && json.Unmarshal(r.Value, &v) == nil && len(v.Secret) >= MinKey {
			found = v.Secret
		}
	})
	return found, err
}
