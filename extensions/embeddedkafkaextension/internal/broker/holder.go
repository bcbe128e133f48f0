package broker

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// rateOver is the time over which the rate of appends is averaged.
const rateOver = time.Minute

// Room is how much more of a topic the broker takes, and which group holds the records that take the room.
type Room struct {
	// Full: records of the topic are refused.
	Full bool
	// Disk: because the disk has no room left.
	Disk bool
	// Used and Max are bytes of the whole log, Left is what the topic may still take.
	Used, Max, Left int64
	// Group has the most unread bytes of the topic; empty: none has unread records in a closed segment.
	Group string
	// Behind is the age of the oldest record that Group has not read.
	Behind time.Duration
	// Rate is bytes of the topic each second, over the last minute.
	Rate float64
}

// holder is the group that keeps most of a topic from being deleted.
type holder struct {
	group  string
	oldest time.Time // when its oldest unread record was written; zero: unknown
}

// notes are what a look at the files adds to rooms.
type notes struct {
	at      time.Time
	holders map[string]holder  // by topic
	rates   map[string]float64 // by topic
	disk    bool
}

// Room returns the room of a topic as of the last look at the files, less what was appended since.
func (b *Broker) Room(topic string, now time.Time) Room {
	n := b.notes.Load()
	r := Room{Used: b.bytes.Load(), Max: b.set.MaxBytes, Disk: n.disk, Rate: n.rates[topic], Full: b.full.Load()}
	if left := b.rooms.Load().byName[topic]; left != nil {
		r.Left = max(0, left.Load())
		r.Full = r.Full || r.Left == 0
	}
	if h := n.holders[topic]; h.group != "" {
		r.Group = h.group
		if !h.oldest.IsZero() {
			r.Behind = max(0, now.Sub(h.oldest))
		}
	}
	return r
}

// note finds holders and rates. before are the rooms as they were until now; segments are those that stay.
func (b *Broker) note(ctx context.Context, before *rooms, segments []segment, disk bool, now time.Time) error {
	old := b.notes.Load()
	n := &notes{at: now, disk: disk, rates: map[string]float64{}}
	if passed := now.Sub(old.at); passed > 0 && !old.at.IsZero() {
		weight := 1 - math.Exp(-passed.Seconds()/rateOver.Seconds())
		for topic, left := range before.byName {
			rate := float64(before.given[topic]-left.Load()) / passed.Seconds()
			n.rates[topic] = old.rates[topic] + weight*(rate-old.rates[topic])
		}
	}
	var err error
	n.holders, err = b.holders(ctx, segments)
	b.notes.Store(n)
	return err
}

// holders asks nothing while all groups are in the last segments.
func (b *Broker) holders(ctx context.Context, segments []segment) (map[string]holder, error) {
	held := map[string]bool{}
	for _, s := range segments {
		if s.end > 0 && s.age > 0 && !s.consumed {
			held[s.topic] = true
		}
	}
	if len(held) == 0 {
		return nil, nil
	}
	groups, err := b.admin.ListGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	found, most := map[string]holder{}, map[string]int64{}
	for _, g := range groups.Groups() {
		committed, err := b.admin.FetchOffsets(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("offsets of group %s: %w", g, err)
		}
		unread, oldest := map[string]int64{}, map[string]time.Time{}
		for _, s := range segments {
			at, reads := committed.Lookup(s.topic, s.partition)
			if !held[s.topic] || !reads || (s.end > 0 && s.end <= at.At) {
				continue
			}
			unread[s.topic] += s.bytes
			if s.base <= at.At { // the segment that the group reads
				written, err := writtenAt(b.segmentPath(s), at.At)
				if err == nil && (oldest[s.topic].IsZero() || written.Before(oldest[s.topic])) {
					oldest[s.topic] = written
				}
			}
		}
		for topic, bytes := range unread {
			if bytes > most[topic] {
				most[topic], found[topic] = bytes, holder{g, oldest[topic]}
			}
		}
	}
	return found, nil
}

func (b *Broker) segmentPath(s segment) string {
	return filepath.Join(b.set.Directory, "partitions", fmt.Sprintf("%s-%d", url.PathEscape(s.topic), s.partition), segmentName(s.base))
}

// writtenAt returns the time of the first record in the batch that holds offset. It reads headers only.
func writtenAt(path string, offset int64) (time.Time, error) {
	f, err := os.Open(path)
	if err != nil {
		return time.Time{}, err
	}
	defer f.Close()
	var h [batchHeader]byte
	for at := int64(0); ; {
		if _, err := f.ReadAt(h[:], at); err != nil {
			return time.Time{}, err
		}
		first, length := int64(binary.BigEndian.Uint64(h[0:])), int64(binary.BigEndian.Uint32(h[8:]))
		last := first + int64(binary.BigEndian.Uint32(h[batchLastAt:]))
		if last >= offset {
			return time.UnixMilli(int64(binary.BigEndian.Uint64(h[batchFirstTimeAt:]))), nil
		}
		if length <= 0 || length > maxBatchBytes {
			return time.Time{}, io.ErrUnexpectedEOF
		}
		at += batchPrefix + length
	}
}

// Positions in a record batch of the Kafka log format, version 2, in bytes.
const (
	batchLastAt      = 23 // offset of the last record, from the first
	batchFirstTimeAt = 27 // milliseconds since 1970
)
