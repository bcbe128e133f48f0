package queuestorageextension

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/penstockhq/penstock/internal/seal"
)

// sealedClient stores a checksum with each value, because the underlying file has none. A value that doesn't match its checksum is passed to
// damaged and read as missing. Safe for concurrent use.
type sealedClient struct {
	file    storage.Client
	damaged func(key string, stored []byte)
}

var (
	_ storage.Client = (*sealedClient)(nil)
	_ storage.Walker = (*sealedClient)(nil)
)

func (c *sealedClient) Get(ctx context.Context, key string) ([]byte, error) {
	stored, err := c.file.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return c.open(key, stored), nil
}

func (c *sealedClient) Set(ctx context.Context, key string, value []byte) error {
	return c.file.Set(ctx, key, seal.Seal(value))
}

func (c *sealedClient) Delete(ctx context.Context, key string) error {
	return c.file.Delete(ctx, key)
}

// Batch executes ops in one transaction. The caller's operations keep their values.
func (c *sealedClient) Batch(ctx context.Context, ops ...*storage.Operation) error {
	below := make([]*storage.Operation, len(ops))
	for i, op := range ops {
		if below[i] = op; op.Type == storage.Set {
			below[i] = storage.SetOperation(op.Key, seal.Seal(op.Value))
		}
	}
	err := c.file.Batch(ctx, below...)
	if err != nil {
		return err
	}
	for _, op := range ops {
		if op.Type == storage.Get {
			op.Value = c.open(op.Key, op.Value)
		}
	}
	return nil
}

// Walk visits all values that match their checksum.
func (c *sealedClient) Walk(ctx context.Context, visit storage.WalkFunc) error {
	file, ok := c.file.(storage.Walker)
	if !ok {
		return errors.New("the underlying storage can't list its keys")
	}
	return file.Walk(ctx, func(key string, stored []byte) ([]*storage.Operation, error) {
		value := c.open(key, stored)
		if value == nil && len(stored) > 0 {
			return nil, nil
		}
		ops, err := visit(key, value)
		for i, op := range ops {
			if op.Type == storage.Set {
				ops[i] = storage.SetOperation(op.Key, seal.Seal(op.Value))
			}
		}
		return ops, err
	})
}

func (c *sealedClient) open(key string, stored []byte) []byte {
	value, err := seal.Open(stored)
	if err != nil {
		c.damaged(key, stored)
		return nil
	}
	return value
}

func (c *sealedClient) Close(ctx context.Context) error { return c.file.Close(ctx) }
