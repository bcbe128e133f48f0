package quotaextension

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/internal/quota"
)

// exchange publishes the usage of this gateway in a compacted topic of the journal's Kafka, and reads the usage of all gateways.
//
// A record's key is ["gateway"] for the sign of life that each gateway writes once an interval, and ["gateway","scope","tenant","service", "key"]
// for an account; its value is a life or an entry.
type exchange struct {
	cfg    *ShareConfig
	self   string
	boot   string // distinguishes this process from earlier ones
	table  *quota.Table
	log    *zap.Logger
	failed func()

	client  *kgo.Client
	pending map[string]*kgo.Record // by key: records to be written; used by the publishing goroutine only, at most one per account
	cancel  context.CancelFunc     // nil before start
	once    sync.Once
	wg      sync.WaitGroup
}

// life is a gateway's sign of life.
type life struct {
	Boot string `json:"boot"`
}

// entry is a gateway's published usage of an account.
type entry struct {
	Bytes float64 `json:"bytes,omitempty"`
	Items float64 `json:"items,omitempty"`
	Day   int64   `json:"day,omitempty"`
	Today int64   `json:"today,omitempty"`
}

// metadataAge lets the client soon see a topic that another gateway has just created.
const metadataAge = time.Second

// share creates the table and the exchange.
func (e *quotaExtension) share() error {
	self := e.cfg.InstanceID
	if self == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("instance_id: must be set, because the host name can't be read: %w", err)
		}
		self = host
	}
	cfg := e.cfg.Share.Get()
	e.table = quota.NewSharedTable(e.cfg.MaxAccounts, self, cfg.Interval)
	e.exchange = &exchange{cfg: cfg, self: self, boot: newBoot(), table: e.table, log: e.set.Logger, pending: map[string]*kgo.Record{},
		failed: func() { e.telemetry.ExtensionQuotaFailedExchanges.Add(context.Background(), 1) }}
	return nil
}

// start begins to write and to read. It returns an error only if no retry can help.
func (x *exchange) start(ctx context.Context) error {
	opts, err := x.cfg.Kafka.Options(ctx)
	if err != nil {
		return err
	}
	topic := journal.QuotaTopic(x.cfg.Kafka.TopicPrefix)
	x.client, err = kgo.NewClient(append(opts, kgo.MetadataMinAge(metadataAge), kgo.ConsumeTopics(topic), kgo.DefaultProduceTopic(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.DisableIdempotentWrite(), // such records are not discarded while Kafka is away; a duplicate does no harm
		kgo.RecordDeliveryTimeout(max(time.Second, x.cfg.Interval)), kgo.UnknownTopicRetries(-1), kgo.FetchMaxWait(x.cfg.Interval))...)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	x.cancel = cancel
	x.wg.Go(func() { x.publish(running, topic) })
	x.wg.Go(func() { x.read(running) })
	return nil
}

// stop may be repeated, and called without start.
func (x *exchange) stop() {
	if x.cancel == nil {
		return
	}
	x.once.Do(func() {
		x.cancel()
		x.client.Close() // discards records that wait for Kafka
		x.wg.Wait()
	})
}

// publish writes once an interval, after it has created the topic.
func (x *exchange) publish(ctx context.Context, topic string) {
	tick := time.NewTicker(x.cfg.Interval)
	defer tick.Stop()
	var said time.Time
	made := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := x.round(ctx, topic, &made)
		if err == nil || ctx.Err() != nil {
			continue
		}
		x.failed()
		if now := time.Now(); now.Sub(said) >= time.Minute {
			said = now
			x.log.Warn("The usage of quotas could not be shared with the other gateways: each keeps its present share", zap.String("topic", topic),
				zap.String("brokers", strings.Join(x.cfg.Kafka.Brokers, ", ")), zap.Error(err))
		}
	}
}

// round publishes once. A record that can't be written now is written in the next round, unless it has changed by then.
func (x *exchange) round(ctx context.Context, topic string, made *bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if !*made {
		if err := cluster.EnsureTable(ctx, x.client, x.cfg.Kafka.TopicPrefix, topic); err != nil {
			return err
		}
		*made = true
	}
	records, err := x.records(x.table.Publish(time.Now()))
	if err != nil {
		return err
	}
	err = x.client.ProduceSync(ctx, records...).FirstErr()
	clear(x.pending)
	if err != nil {
		for _, r := range records {
			x.pending[string(r.Key)] = r
		}
	}
	return err
}

// records are the sign of life, which comes first because it distinguishes the records of this process from those of earlier ones; then the pending
// records and the changes.
func (x *exchange) records(usage []quota.Usage) ([]*kgo.Record, error) {
	alive, err := record(life{x.boot}, x.self)
	if err != nil {
		return nil, err
	}
	for _, u := range usage {
		r, err := record(entry{u.Bytes, u.Items, u.Day, u.Today}, x.self, string(u.Name.Scope), u.Name.Tenant, u.Name.Service, u.Name.Key)
		if err != nil {
			return nil, err
		}
		x.pending[string(r.Key)] = r
	}
	delete(x.pending, string(alive.Key))
	return slices.AppendSeq([]*kgo.Record{alive}, maps.Values(x.pending)), nil
}

func record(value any, key ...string) (*kgo.Record, error) {
	k, err := json.Marshal(key)
	if err != nil {
		return nil, err
	}
	v, err := json.Marshal(value)
	return &kgo.Record{Key: k, Value: v}, err
}

// read passes the records of all gateways to the table.
func (x *exchange) read(ctx context.Context) {
	for {
		fetches := x.client.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(_ string, _ int32, err error) {
			if !errors.Is(err, context.Canceled) {
				x.failed()
			}
		})
		now := time.Now()
		fetches.EachRecord(func(r *kgo.Record) { x.learn(now, r) })
	}
}

// learn processes a record. An unknown record is from a later version and is ignored.
func (x *exchange) learn(now time.Time, r *kgo.Record) {
	var key []string
	if json.Unmarshal(r.Key, &key) != nil {
		return
	}
	switch len(key) {
	case 1:
		var l life
		if json.Unmarshal(r.Value, &l) == nil && (key[0] != x.self || l.Boot == x.boot) {
			x.table.Alive(now, key[0])
		}
	case 5:
		var e entry
		if json.Unmarshal(r.Value, &e) == nil {
			name := quota.Name{Scope: quota.Scope(key[1]), Tenant: key[2], Service: key[3], Key: key[4]}
			x.table.Learn(now, key[0], quota.Usage{Name: name, Bytes: e.Bytes, Items: e.Items, Day: e.Day, Today: e.Today})
		}
	}
}

func newBoot() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // rand.Read never fails
	return hex.EncodeToString(b[:])
}
