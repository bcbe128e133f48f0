package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap/zaptest"
)

func TestAStreamsNamesAreBoundedWithinADay(t *testing.T) {
	b := newNameBudget(func(streamDay) ([]string, error) { return nil, nil })
	enter := func(stream string) *namesOfADay {
		return b.enter([]byte(stream), func() streamDay { return streamDay{} })
	}
	one := enter("a")
	for i := range maxNames {
		assert.True(t, b.admits(one, fmt.Sprint(i)))
	}
	assert.False(t, b.admits(one, "one more"))
	assert.True(t, b.admits(one, "0"), "what was admitted stays so")
	assert.True(t, b.admits(enter("b"), "one more"), "each stream has its own")
	assert.False(t, b.admits(enter("a"), "one more"))
}

func TestNamesOfFormerProcessesCount(t *testing.T) {
	var before []string
	for i := range maxNames - trustedNames {
		before = append(before, fmt.Sprint("before-", i))
	}
	failed := errors.New("not now")
	b := newNameBudget(func(streamDay) ([]string, error) { return before, failed })
	one := b.enter([]byte("a"), func() streamDay { return streamDay{} })
	for i := range trustedNames {
		assert.True(t, b.admits(one, fmt.Sprint(i)))
	}
	assert.False(t, b.admits(one, "before-7"), "nothing is known of it")
	failed = nil
	assert.True(t, b.admits(one, "before-7"))
	assert.False(t, b.admits(one, "another"))
}

func TestNamesOfAllStreamsAreBounded(t *testing.T) {
	b := newNameBudget(func(streamDay) ([]string, error) { return nil, nil })
	b.most = 10 * (streamBytes + 2 + trustedNames*(nameBytes+2))
	for stream := range 100 {
		one := b.enter([]byte(fmt.Sprint(stream)), func() streamDay { return streamDay{} })
		for i := range trustedNames * (1 + stream%2) {
			b.admits(one, fmt.Sprint(i))
		}
		assert.LessOrEqual(t, b.bytes, 2*b.most+(1+stream)*(streamBytes+4))
	}
	n := 0
	for _, one := range b.all {
		n += one.bytes
	}
	assert.Equal(t, n, b.bytes)
	b.forget(time.Now().Add(2 * rememberNames))
	assert.Zero(t, b.bytes)
}

// Clients choose how long the values are that make a stream: what is remembered is bounded in bytes, not in names.
func TestStreamsWithLongNamesAreBounded(t *testing.T) {
	b := newNameBudget(func(streamDay) ([]string, error) { return nil, nil })
	b.most = 1 << 20
	long := strings.Repeat("x", 10_000)
	for i := range 1000 {
		stream := long + fmt.Sprint(i)
		b.admits(b.enter([]byte(stream), func() streamDay { return streamDay{tags: stream} }), "a")
	}
	held := 0
	for key, one := range b.all {
		held += len(key) + len(one.of.tags)
	}
	assert.LessOrEqual(t, held, 2*b.most)
}

// A stream that is forgotten while its rows are made goes on with names that nobody remembers: they count no more.
func TestNamesOfAForgottenStreamDoNotCount(t *testing.T) {
	b := newNameBudget(func(streamDay) ([]string, error) { return nil, nil })
	one := b.enter([]byte("a"), func() streamDay { return streamDay{} })
	b.admits(one, "before")
	b.forget(time.Now())
	assert.True(t, b.admits(one, "after"))
	assert.Zero(t, b.bytes)
}

// Where many streams have many names, those of streams that have no rows now make room: after midnight all of the day before.
func TestIdleStreamsMakeRoom(t *testing.T) {
	b := newNameBudget(func(streamDay) ([]string, error) { return nil, nil })
	b.most = 100_000
	admitted := func(stream string) bool {
		one := b.enter([]byte(stream), func() streamDay { return streamDay{} })
		for i := range 2 * trustedNames {
			if !b.admits(one, fmt.Sprint(i)) {
				return false
			}
		}
		return true
	}
	full := 0
	for admitted(fmt.Sprint(full)) {
		full++
	}
	held := len(b.all)
	for i := range 100 {
		assert.False(t, admitted(fmt.Sprint("another ", i)))
	}
	assert.LessOrEqual(t, len(b.all), held, "what has no room is not remembered either")
	for _, one := range b.all {
		one.used = one.used.Add(-2 * rememberLess)
	}
	b.forgot = time.Time{}
	assert.True(t, admitted("another"))
}

// The engine merges the blocks of a stream's day, and leaves rows out where a block would have too many names: also those of former processes count.
func TestMergesKeepRowsOfStreamsWithManyNames(t *testing.T) {
	dir := t.TempDir()
	var s *Store
	reopen := func() {
		if s != nil {
			require.NoError(t, s.Close())
		}
		var err error
		s, err = Open(Settings{Directory: dir, Retention: 7 * day, MaxTenants: 1, Memory: 64 << 20, Log: zaptest.NewLogger(t)})
		require.NoError(t, err)
	}
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	const batches, n, each = 6, 300, 3
	for batch := range batches {
		if batch%2 == 0 {
			reopen()
		}
		ld := plog.NewLogs()
		records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		for i := range n {
			lr := records.AppendEmpty()
			lr.Body().SetStr("x")
			for k := range each {
				lr.Attributes().PutStr(fmt.Sprintf("id-%d-%d-%d", batch, i, k), "v")
			}
		}
		added, err := s.AddLogs(t.Context(), ld, Batch{Received: time.Now(), TenantOf: func(pcommon.Map) string { return "acme" }})
		require.NoError(t, err)
		assert.Equal(t, n, added.Rows)
		require.NoError(t, s.Flush(t.Context()))
	}
	s.engine.MustForceMerge("")
	assert.EqualValues(t, batches*n, s.Stats().Rows)
}
