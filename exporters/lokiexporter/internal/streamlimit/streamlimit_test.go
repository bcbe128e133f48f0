package streamlimit_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/exporters/lokiexporter/internal/streamlimit"
)

var start = time.Unix(1_700_000_000, 0)

func render(values []string, moved streamlimit.Moved) string {
	var parts []string
	for i, v := range values {
		if v != "" && !moved.Has(i) {
			parts = append(parts, fmt.Sprintf("%c=%s", 'a'+i, v))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func settings(maxStreams int) streamlimit.Settings {
	return streamlimit.Settings{MaxStreams: maxStreams, Idle: time.Hour, Release: 24 * time.Hour, Render: render}
}

func Example() {
	tenant := streamlimit.NewTenant(streamlimit.Settings{MaxStreams: 3, Idle: time.Hour, Release: time.Hour, Render: render})
	for _, pod := range []string{"p1", "p2", "p3", "p4"} {
		stream, _, moves := tenant.Admit([]string{"checkout", pod}, start)
		fmt.Println(stream.Labels, moves)
	}
	// Output:
	// {a=checkout,b=p1} []
	// {a=checkout,b=p2} []
	// {a=checkout,b=p3} []
	// {a=checkout} [{1 4 3}]
}

// Never more than MaxStreams at once, whatever the input; a moved label is never rendered.
func TestBound(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		limit := 1 + random.IntN(20)
		tenant := streamlimit.NewTenant(settings(limit))
		now := start
		for range 500 {
			now = now.Add(time.Duration(random.IntN(600)) * time.Second)
			values := []string{fmt.Sprint(random.IntN(3)), fmt.Sprint(random.IntN(200)), fmt.Sprint(random.IntN(10))}
			stream, moved, _ := tenant.Admit(values, now)
			require.Equal(t, render(values, moved), stream.Labels)
			size, _ := tenant.Size()
			require.LessOrEqual(t, size, limit)
			if random.IntN(20) == 0 {
				tenant.Full(stream, now)
			} else {
				tenant.Accepted(stream, now.UnixNano(), 100, now)
			}
		}
	}
}

func TestLastIsMovedLast(t *testing.T) {
	for _, last := range []int{0, 1} {
		set := settings(4)
		set.Last = 1 << last
		tenant := streamlimit.NewTenant(set)
		var order []int
		for i := range 20 {
			_, _, moves := tenant.Admit([]string{fmt.Sprint(i), fmt.Sprint(i)}, start)
			for _, m := range moves {
				order = append(order, m.Label)
			}
		}
		assert.Equal(t, []int{1 - last, last}, order, "and it is moved when nothing else helps")
	}
}

func TestIdleStreamsMakeRoom(t *testing.T) {
	tenant := streamlimit.NewTenant(settings(2))
	tenant.Admit([]string{"x", "1"}, start)
	tenant.Admit([]string{"x", "2"}, start)
	stream, moved, moves := tenant.Admit([]string{"x", "3"}, start.Add(time.Hour))
	assert.Equal(t, "{a=x,b=3}", stream.Labels)
	assert.Zero(t, moved)
	assert.Empty(t, moves)
}

func TestRelease(t *testing.T) {
	tenant := streamlimit.NewTenant(settings(1))
	tenant.Admit([]string{"x", "1"}, start)
	_, moved, moves := tenant.Admit([]string{"x", "2"}, start)
	require.Len(t, moves, 1)
	assert.True(t, moved.Has(1))
	_, moved, _ = tenant.Admit([]string{"x", "2"}, start.Add(24*time.Hour))
	assert.Zero(t, moved, "the label is back, and the idle stream made room")
}

func TestMovedStreamKeepsWhatIsKnown(t *testing.T) {
	tenant := streamlimit.NewTenant(settings(2))
	plain, _, _ := tenant.Admit([]string{"x", ""}, start)
	tenant.Accepted(plain, start.UnixNano(), 1, start)
	tenant.Admit([]string{"x", "1"}, start)
	merged, _, moves := tenant.Admit([]string{"x", "2"}, start)
	require.Len(t, moves, 1)
	assert.Equal(t, "{a=x}", merged.Labels)
	assert.False(t, tenant.Risky(merged, start.UnixNano(), 1, start))
}

func TestRisky(t *testing.T) {
	set := settings(10)
	set.MaxBehind = time.Hour
	set.StreamRate, set.StreamBurst = 100, 1000
	tenant := streamlimit.NewTenant(set)
	stream, _, _ := tenant.Admit([]string{"x"}, start)
	newest := start.UnixNano()

	assert.True(t, tenant.Risky(stream, newest, 1, start), "the store may not know it")
	tenant.Accepted(stream, newest, 100, start)
	assert.False(t, tenant.Risky(stream, newest, 100, start))
	assert.True(t, tenant.Risky(stream, newest-int64(time.Hour)-1, 1, start), "too far behind")
	assert.False(t, tenant.Risky(stream, newest-int64(time.Hour), 1, start))
	assert.True(t, tenant.Risky(stream, newest, 401, start), "near its rate")
	assert.False(t, tenant.Risky(stream, newest, 401, start.Add(time.Second)), "refilled")
}

func TestFull(t *testing.T) {
	tenant := streamlimit.NewTenant(settings(100))
	known, _, _ := tenant.Admit([]string{"x", "1"}, start)
	tenant.Accepted(known, 0, 1, start)
	refused, _, _ := tenant.Admit([]string{"x", "2"}, start)
	tenant.Full(refused, start)
	size, _ := tenant.Size()
	assert.Equal(t, 1, size, "the refused stream is not active")

	merged, _, moves := tenant.Admit([]string{"x", "2"}, start)
	require.Len(t, moves, 1)
	assert.Equal(t, "{a=x}", merged.Labels)
	tenant.Full(merged, start.Add(time.Minute))
	again, _, _ := tenant.Admit([]string{"x", "2"}, start.Add(time.Minute))
	assert.Equal(t, "{a=x}", again.Labels, "one label an Idle, not one a refusal")
	_, moved := tenant.Size()
	assert.Equal(t, 1, moved)

	tenant.Full(known, start)
	size, _ = tenant.Size()
	assert.Equal(t, 1, size, "a stream that the store has taken is not the one it refused")
}
