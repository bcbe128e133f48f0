package access

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
)

// revocable is an identity whose key can be revoked.
type revocable struct{ revoked atomic.Bool }

func (r *revocable) GetAttribute(name string) any {
	if name == ValidAttribute {
		return func() bool { return !r.revoked.Load() }
	}
	return nil
}

func (*revocable) GetAttributeNames() []string { return []string{ValidAttribute} }

func TestARevokedKeyEndsWhatFollows(t *testing.T) {
	r := &revocable{}
	ctx, stop := whileValid(client.NewContext(t.Context(), client.Info{Auth: r}), time.Millisecond)
	defer stop()
	require.NoError(t, ctx.Err())
	r.revoked.Store(true)
	<-ctx.Done()
	assert.ErrorIs(t, context.Cause(ctx), ErrRevoked)
}

func TestNothingIsWatchedWhereNobodyKnows(t *testing.T) {
	ctx, stop := WhileValid(t.Context())
	stop()
	assert.NoError(t, ctx.Err(), "it is the context that was given")
	ctx, stop = WhileValid(client.NewContext(t.Context(), client.Info{Auth: &revocable{}}))
	stop()
	<-ctx.Done()
	assert.NotErrorIs(t, context.Cause(ctx), ErrRevoked)
}
