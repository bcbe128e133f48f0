// Package source is the input of a job: a topic, the records that it selects in it, and the items that it selects in them.
package source

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/component"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/ottlcondition"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/pipeline"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/selection"
)

// Source is the input of a job. It is safe for concurrent use.
type Source struct {
	Topic   string
	Entry   pipeline.Entry
	Records selection.Records
	Items   *selection.Items
}

// Topic is the topic that s reads, of the journal below prefix.
func Topic(prefix string, s *replay.Spec) string {
	if s.Source == replay.DeadLetter {
		return journal.DeadLetterTopic(prefix)
	}
	return s.Signal.Topic(prefix)
}

// Of returns the source of job, whose items go to entry. The error is about its condition.
func Of(job *replay.Job, prefix string, entry pipeline.Entry, set component.TelemetrySettings) (*Source, error) {
	conditions, err := ottlcondition.Compile(job.Spec.Signal, job.Spec.Condition, set)
	if err != nil {
		return nil, err
	}
	items := selection.ItemSettings{Conditions: conditions}
	records := selection.Records{Tenants: job.Spec.Tenants, Keys: job.Spec.Keys, Headers: job.Spec.Headers}
	if job.Range != nil {
		records.From, records.To = job.Range.ReadFrom, job.Range.ReadTo
		if job.Range.Event {
			items.Within = job.Range.Contains
		}
	}
	if job.Spec.Source == replay.DeadLetter {
		records.Topic = job.Spec.Signal.Topic(prefix)
	}
	if job.Spec.Mark {
		items.Mark = job.Spec.ID
	}
	return &Source{Topic: Topic(prefix, &job.Spec), Entry: entry, Records: records, Items: selection.NewItems(items)}, nil
}

// Item is a record that was read.
type Item struct {
	pipeline.Item
	Skip    bool // not selected
	Counted selection.Counted
}

// Read decodes a record. id is set if equal bytes mean the same request.
func (s *Source) Read(ctx context.Context, k *kgo.Record) (it *Item, id delivery.RecordID) {
	it = &Item{Item: pipeline.Item{Kafka: k}}
	it.Record, it.Err = journal.FromKafka(k)
	if it.Skip = !Match(&s.Records, &it.Record, k); it.Skip || it.Err != nil {
		return it, id
	}
	var dedupable bool
	if it.Request, dedupable, it.Err = s.Entry.Decode(k.Value); it.Err != nil {
		return it, id
	}
	if dedupable {
		id = delivery.RecordID(it.Record.ID())
	}
	it.Counted = s.Items.Apply(ctx, it.Request)
	return it, id
}

// Match reports whether the job selects r, which was read from k.
func Match(records *selection.Records, r *journal.Record, k *kgo.Record) bool {
	return records.Match(r, k.Timestamp, func(name string) (string, bool) { return header(k, name) })
}

func header(k *kgo.Record, name string) (string, bool) {
	for _, h := range k.Headers {
		if h.Key == name {
			return string(h.Value), true
		}
	}
	return "", false
}
