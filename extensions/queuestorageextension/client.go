package queuestorageextension

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"
)

const (
	// readAttempts and firstWait bound the retries of a read: waits double, from 100 ms to 6.4 s, 12.7 s together.
	readAttempts     = 8
	defaultFirstWait = 100 * time.Millisecond
)

// queueClient is the layer between a queue and its file. The queue deletes a request that it can't read. So this client retries a failed read,
// without the write in the same batch; if the read keeps failing, it refuses all further writes, so that all stored requests still exist after a
// restart. Safe for concurrent use.
type queueClient struct {
	file      storage.Client
	log       *zap.Logger
	firstWait time.Duration
	fatal     func(error) // called at most once, when the client stops using the file
	broken    atomic.Pointer[error]
}

var _ storage.Client = (*queueClient)(nil)

func (c *queueClient) Get(ctx context.Context, key string) ([]byte, error) {
	op := storage.GetOperation(key)
	err := c.Batch(ctx, op)
	return op.Value, err
}

func (c *queueClient) Set(ctx context.Context, key string, value []byte) error {
	return c.Batch(ctx, storage.SetOperation(key, value))
}

func (c *queueClient) Delete(ctx context.Context, key string) error {
	return c.Batch(ctx, storage.DeleteOperation(key))
}

// Batch executes ops in one transaction. If some of them read and the transaction fails, it executes the reads alone and skips the writes: the
// queue writes only its position together with a read, and the next write contains that again. After a kill before that, the queue reads the
// request once more.
func (c *queueClient) Batch(ctx context.Context, ops ...*storage.Operation) error {
	if err := c.broken.Load(); err != nil {
		return *err
	}
	err := c.file.Batch(ctx, ops...)
	if err == nil {
		return nil
	}
	var reads []*storage.Operation
	for _, op := range ops {
		if op.Type == storage.Get {
			reads = append(reads, op)
		}
	}
	if len(reads) == 0 {
		return err
	}
	return c.readAgain(ctx, reads, err)
}

// readAgain retries until a read succeeds, ctx ends or the attempts are used up. The latter two stop the client permanently.
func (c *queueClient) readAgain(ctx context.Context, reads []*storage.Operation, err error) error {
	wait := c.firstWait
	for range readAttempts {
		c.log.Warn("queue could not be read; trying again", zap.Error(err))
		if err = c.file.Batch(ctx, reads...); err == nil {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return c.stop(err)
		}
		wait *= 2
	}
	return c.stop(err)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// stop blocks all further access to the file and ends the collector.
func (c *queueClient) stop(cause error) error {
	err := fmt.Errorf("queue can't be read; what it holds is kept for the next start: %w", cause)
	if c.broken.CompareAndSwap(nil, &err) {
		c.fatal(err)
	}
	return *c.broken.Load()
}

// Close closes the file.
func (c *queueClient) Close(ctx context.Context) error {
	return c.file.Close(ctx)
}
