package ledger

import "context"

// Source is a follower of the journal: what one sink gets of one signal. It is safe for concurrent use.
type Source interface {
	// Sink names the sink, Signal what it gets, and Journal the topic.
	Sink() string
	Signal() string
	Journal() string
	// Own returns the books of the partitions that this process delivers, as their last checkpoints have them. It asks nobody.
	Own() map[int32]*Book
	// All returns all partitions of the journal, whoever delivers them.
	All(ctx context.Context) ([]Partition, error)
	// Scan calls each for the records of a partition from first up to, not including, next, and stops behind maxBytes of values. upTo is
	// the offset behind the last one that it has read: next, if it has read all.
	Scan(ctx context.Context, partition int32, first, next, maxBytes int64, each func(offset int64, c Content)) (upTo int64, err error)
}

// Partition is what is known of a sink's deliveries of a partition.
type Partition struct {
	Index int32
	// Start and End bound what the journal holds.
	Start, End int64
	// Book is nil where there is none, which Missing explains.
	Book    *Book
	Missing string
}
