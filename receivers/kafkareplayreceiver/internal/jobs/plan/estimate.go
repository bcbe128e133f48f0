package plan

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs/source"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
)

const (
	// exactRecords is the number of records up to which a dry run reads all.
	exactRecords = 20_000
	// probes and probeRecords are otherwise the number of places in a partition that it reads, and the number of records at each.
	probes       = 8
	probeRecords = 100
	// sampleRecords is how many records a dry run shows.
	sampleRecords = 5
)

// Estimate is the answer of a dry run.
type Estimate struct {
	// Exact: all records were read; else the numbers are extrapolated.
	Exact bool `json:"exact"`
	// Scanned is how many records are in the range's offsets, Records how many of them would be replayed.
	Scanned int64    `json:"scanned"`
	Records int64    `json:"records"`
	Bytes   int64    `json:"bytes"`
	Items   int64    `json:"items"`
	Sample  []Sample `json:"sample"`
}

// Sample is a record that would be replayed.
type Sample struct {
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Received  time.Time `json:"received"`
	Tenant    string    `json:"tenant"`
	Key       string    `json:"key"`
	Bytes     int       `json:"bytes"`
	Items     int       `json:"items"`
}

// Estimate reads a sample of the range, or all of it if it is short.
func (p *Planner) Estimate(ctx context.Context, job *replay.Job) (*Estimate, error) {
	src, err := source.Of(job, p.Prefix, p.Entries.Of(job.Spec.Signal), p.Telemetry)
	if err != nil {
		return nil, Invalid(errCondition)
	}
	e := &Estimate{Sample: []Sample{}}
	for _, s := range job.Spans {
		e.Scanned += s.Next - s.First
	}
	e.Exact = e.Scanned <= exactRecords
	var read, bytes, taken, kept float64
	look := func(k *kgo.Record) bool {
		read++
		it, _ := src.Read(ctx, k)
		if it.Skip || it.Err != nil || it.Counted.Kept == 0 {
			return true
		}
		taken++
		bytes += float64(len(k.Value))
		kept += float64(it.Counted.Kept)
		if len(e.Sample) < sampleRecords {
			e.Sample = append(e.Sample, Sample{
				Partition: k.Partition, Offset: k.Offset, Received: it.Record.Received.UTC(), Tenant: it.Record.Tenant,
				Key: strings.ReplaceAll(it.Record.Key, "\x00", "/"), Bytes: len(k.Value), Items: it.Counted.Kept,
			})
		}
		return true
	}
	for _, s := range job.Spans {
		for _, piece := range pieces(s, e.Exact) {
			if err := cluster.Scan(ctx, p.Admin, src.Topic, s.Partition, piece.First, piece.Next, look); err != nil {
				return nil, err
			}
		}
	}
	if read > 0 {
		scale := 1.0
		if !e.Exact {
			scale = float64(e.Scanned) / read
		}
		e.Records, e.Bytes, e.Items = int64(taken*scale), int64(bytes*scale), int64(kept*scale)
	}
	return e, nil
}

// pieces are the parts of a span that a dry run reads.
func pieces(s replay.Span, all bool) []replay.Span {
	length := s.Next - s.First
	if all || length <= probes*probeRecords {
		return []replay.Span{s}
	}
	var out []replay.Span
	for i := range int64(probes) {
		first := s.First + i*(length-probeRecords)/(probes-1)
		out = append(out, replay.Span{Partition: s.Partition, First: first, Next: first + probeRecords})
	}
	return out
}

// Nothing is the message that a job would replay nothing.
func (e *Estimate) Nothing() string {
	if e.Scanned == 0 {
		return "nothing would be replayed: the journal has no record in the range"
	}
	return fmt.Sprintf("nothing would be replayed: the range has %d records, and the job selects none of those that were sampled", e.Scanned)
}
