package ledger

import "context"

// Source is a follower of the journal, for one sink and one signal. It is safe for concurrent use.
type Source interface {
	// Sink names the sink, Signal its signal, and Journal the topic.
	Sink() string
	Signal() string
	Journal() string
	// Own returns the books of the partitions that this process delivers, as of their last checkpoints. It needs no request to Kafka.
	Own() map[int32]*Book
	// All returns all partitions of the journal, whichever process delivers them.
	All(ctx context.Context) ([]Partition, error)
	// Scan calls each for the records of a partition from first up to, not including, next, and stops after maxBytes of values. upTo is the offset
	// after the last record read: next, if it has read all.
	Scan(ctx context.Context, partition int32, first, next, maxBytes int64, each func(offset int64, c Content)) (upTo int64, err error)
}

// Partition is the known state of a sink's deliveries of a partition.
type Partition struct {
	Index int32
	// Start and End are the bounds of the journal's records.
	Start, End int64
	// Book is nil if there is none; Missing says why.
	Book    *Book
	Missing string
}
