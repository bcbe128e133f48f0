package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// fullAt is the share of the cap at which trimming begins: some room stays
// for what arrives meanwhile.
const fullAt = 0.9

// segment is one file of a partition's log.
type segment struct {
	topic     string
	id        [16]byte // of the topic
	partition int32
	base      int64 // its first offset
	end       int64 // first offset behind it; 0: it is written to and stays
	bytes     int64
	written   time.Time // last write
	// consumed: every group that reads the topic is past it. Topics that keep their records for ever are their owners' to
	// trim, and never count as consumed.
	consumed bool
	age      time.Duration // how long the topic keeps records; 0: for ever
}

// plan says which closed segments go: those older than their topic keeps its
// records, and then, oldest first, as many consumed ones as it takes to get
// under limit bytes. It returns up to which offset each partition goes, and
// which segments stay. segments of a partition are in order of offsets.
//
// The segment that is being written always stays, so no partition is ever
// emptied: kfake would start it again at offset 0.
func plan(segments []segment, limit int64, now time.Time) (upTo map[string]map[int32]int64, stay []segment) {
	left := int64(0)
	for _, s := range segments {
		left += s.bytes
	}
	upTo = map[string]map[int32]int64{}
	drop := func(s segment) {
		if upTo[s.topic] == nil {
			upTo[s.topic] = map[int32]int64{}
		}
		upTo[s.topic][s.partition] = s.end
		left -= s.bytes
	}
	type part struct {
		topic     string
		partition int32
	}
	kept := map[part]bool{} // partitions with a segment that must stay, and so all behind it
	var candidates []segment
	for _, s := range segments {
		p := part{s.topic, s.partition}
		switch {
		case s.end == 0 || kept[p]:
			kept[p] = true
			stay = append(stay, s)
		case s.age > 0 && now.Sub(s.written) > s.age:
			drop(s)
		case s.consumed:
			candidates = append(candidates, s)
		default:
			kept[p] = true
			stay = append(stay, s)
		}
	}
	slices.SortStableFunc(candidates, func(a, b segment) int { return cmp.Or(a.written.Compare(b.written), cmp.Compare(a.end, b.end)) })
	for i, s := range candidates {
		if left <= limit {
			stay = append(stay, candidates[i:]...)
			break
		}
		drop(s)
	}
	return upTo, stay
}

// trim deletes what plan says and notes how much room there is.
func (b *Broker) trim(ctx context.Context) error {
	segments, err := b.segments(ctx)
	if err != nil {
		return err
	}
	upTo, stay := plan(segments, int64(fullAt*float64(b.set.MaxBytes)), time.Now())
	offsets := kadm.Offsets{}
	for topic, partitions := range upTo {
		for p, at := range partitions {
			offsets.Add(kadm.Offset{Topic: topic, Partition: p, At: at})
		}
	}
	if len(offsets) > 0 {
		deleted, err := b.admin.DeleteRecords(ctx, offsets)
		if err == nil {
			err = deleted.Error()
		}
		if err != nil {
			return fmt.Errorf("delete old records: %w", err)
		}
	}
	free, err := freeBytes(b.set.Directory)
	if err != nil {
		return fmt.Errorf("free space of %s: %w", b.set.Directory, err)
	}
	left := int64(0)
	for _, s := range stay {
		left += s.bytes
	}
	before := b.rooms.Swap(newRooms(stay, b.set.MaxBytes))
	b.bytes.Store(left)
	b.full.Store(left >= b.set.MaxBytes || free < reserveBytes)
	b.exhausted.Store(left >= 2*b.set.MaxBytes || free < reserveBytes/4)
	return b.note(ctx, before, stay, free < reserveBytes, time.Now())
}

// segments lists every segment file with what is known about its topic.
func (b *Broker) segments(ctx context.Context) ([]segment, error) {
	topics, err := b.admin.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	if len(topics) == 0 {
		return nil, nil
	}
	configs, err := b.admin.DescribeTopicConfigs(ctx, topics.Names()...)
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	ages := map[string]time.Duration{}
	for _, c := range configs {
		for _, kv := range c.Configs {
			if ms, err := strconv.ParseInt(kv.MaybeValue(), 10, 64); kv.Key == "retention.ms" && err == nil && ms > 0 && ms < int64(forever/time.Millisecond) {
				ages[c.Name] = time.Duration(ms) * time.Millisecond
			}
		}
	}
	consumed, err := b.consumed(ctx)
	if err != nil {
		return nil, err
	}
	var out []segment
	partitions := 0
	for _, t := range topics {
		partitions += len(t.Partitions)
		for _, p := range t.Partitions.Numbers() {
			dir := filepath.Join(b.set.Directory, "partitions", fmt.Sprintf("%s-%d", url.PathEscape(t.Topic), p))
			bases, err := segmentBases(dir)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			if len(bases) == 0 { // So that it has its share.
				out = append(out, segment{topic: t.Topic, id: t.ID, partition: p, age: ages[t.Topic], consumed: true})
			}
			for i, base := range bases {
				info, err := os.Stat(filepath.Join(dir, segmentName(base)))
				if err != nil {
					continue // Deleted since: its bytes are gone as well.
				}
				s := segment{topic: t.Topic, id: t.ID, partition: p, base: base, bytes: info.Size(), written: info.ModTime(), age: ages[t.Topic]}
				if i+1 < len(bases) {
					s.end = bases[i+1]
				}
				at, read := consumed.Lookup(t.Topic, p)
				s.consumed = s.age > 0 && (!read || s.end <= at.At)
				out = append(out, s)
			}
		}
	}
	b.partitions.Store(int64(partitions))
	return out, nil
}

// consumed returns the lowest offset that any group has committed, per
// partition that a group has committed for.
func (b *Broker) consumed(ctx context.Context) (kadm.Offsets, error) {
	groups, err := b.admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	lowest := kadm.Offsets{}
	for _, g := range groups.Groups() {
		committed, err := b.admin.FetchOffsets(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("offsets of group %s: %w", g, err)
		}
		committed.Each(func(o kadm.OffsetResponse) {
			if have, ok := lowest.Lookup(o.Topic, o.Partition); !ok || o.At < have.At {
				lowest.Delete(o.Topic, o.Partition)
				lowest.Add(o.Offset)
			}
		})
	}
	return lowest, nil
}
