package journalkeyextension

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/penstockhq/penstock/internal/journal/cluster"
)

// metadataAge lets a client soon see a topic that another client has just created.
const metadataAge = 50 * time.Millisecond

// journalKey reads Kafka only when a component needs the key, and keeps no connection. It is safe for concurrent use.
type journalKey struct {
	component.StartFunc
	component.ShutdownFunc
	kafka *cluster.Config
}

var _ extension.Extension = (*journalKey)(nil)

// SharedKey returns the key that the journal's collectors share. If there is none yet it records own, and returns the key that was recorded first,
// which may be another collector's. If own is nil it records nothing, and returns nil if there is none.
func (j *journalKey) SharedKey(ctx context.Context, own []byte) ([]byte, error) {
	opts, err := j.kafka.Options(ctx)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(opts, kgo.MetadataMinAge(metadataAge))...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	key, err := cluster.Key(ctx, client, j.kafka.TopicPrefix, own)
	if err != nil {
		return nil, fmt.Errorf("read the shared key of the journal %s from Kafka (%s): %w", j.kafka.TopicPrefix, strings.Join(j.kafka.Brokers, ", "), err)
	}
	return key, nil
}
