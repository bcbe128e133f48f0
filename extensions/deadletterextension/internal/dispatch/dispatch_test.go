package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc/codes"

	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/dispatch"
	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/parts"
	"github.com/penstockhq/penstock/internal/verdict"
)

// world is a server that decides by the items' texts, and records the calls of the lane.
type world struct {
	t  *testing.T
	mu sync.Mutex
	// decide returns the code for a request that holds these items.
	decide   func(items []string) codes.Code
	taken    map[string]int
	sends    int
	letters  map[string]string // text: reason
	parked   [][]byte
	room     int // requests that may be parked
	full     bool
	rejected int64
}

func newWorld(t *testing.T, decide func(items []string) codes.Code) (*world, *dispatch.Lane) {
	w := &world{t: t, decide: decide, taken: map[string]int{}, letters: map[string]string{}}
	return w, dispatch.NewLane("server/logs", parts.Logs, w)
}

func encode(texts ...string) []byte {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for _, text := range texts {
		records.AppendEmpty().Body().SetStr(text)
	}
	body, err := plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
	if err != nil {
		panic(err)
	}
	return body
}

func (w *world) texts(body []byte) (texts []string) {
	req := plogotlp.NewExportRequest()
	require.NoError(w.t, req.UnmarshalProto(body))
	for _, rl := range req.Logs().ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				texts = append(texts, r.Body().Str())
			}
		}
	}
	return texts
}

func (w *world) post(_ context.Context, body []byte) dispatch.Answer {
	items := w.texts(body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sends++
	code := w.decide(items)
	message := "because"
	if code == codes.Code(100) {
		code, message = codes.ResourceExhausted, "grpc: received message larger than max (9 vs. 4)"
	}
	a := dispatch.Answer{Answer: verdict.GRPC(code, message)}
	if code == codes.OK {
		for _, item := range items {
			w.taken[item]++
		}
		a.Rejected = w.rejected
		return a
	}
	a.Err = errors.New(code.String())
	return a
}

func (w *world) StoreDeadLetter(_ context.Context, _ parts.Signal, items int, reason string, body []byte, cause error) error {
	if w.full {
		return errors.New("no space left on device")
	}
	assert.Error(w.t, cause)
	texts := w.texts(body)
	assert.Len(w.t, texts, items)
	for _, text := range texts {
		assert.NotContains(w.t, w.letters, text)
		w.letters[text] = reason
	}
	return nil
}

func (w *world) Park(_ *dispatch.Lane, body []byte, _ int) bool {
	if len(w.parked) == w.room {
		return false
	}
	w.parked = append(w.parked, body)
	return true
}

func (w *world) Rejected(_ context.Context, _ parts.Signal, items int64) { w.rejected -= items }

// send sends until the request is done, at most n times, and returns how often it took.
func (w *world) send(lane *dispatch.Lane, n int, texts ...string) (tries int, done bool) {
	body := encode(texts...)
	for tries = 1; tries <= n; tries++ {
		a := lane.Send(w.t.Context(), fmt.Sprintf("%p", body), func(ctx context.Context) dispatch.Answer { return w.post(ctx, body) },
			func() ([]byte, error) { return body, nil }, w.post)
		if a.Verdict == verdict.Accepted {
			return tries, true
		}
		require.Error(w.t, a.Err)
		require.True(w.t, a.Again(), "nothing else reaches the exporter")
	}
	return n, false
}

func numbered(n int) (texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprint("item ", i))
	}
	return texts
}

func has(items []string, word string) bool {
	return strings.Contains(strings.Join(items, " "), word)
}

// A request is refused for one item: the others pass, at the first attempt.
func TestARefusalCostsTheItemThatItIsAbout(t *testing.T) {
	for code, reason := range map[codes.Code]string{codes.InvalidArgument: dispatch.Refused, 100: dispatch.TooLarge} {
		w, lane := newWorld(t, func(items []string) codes.Code {
			if has(items, "bad") {
				return code
			}
			return codes.OK
		})
		texts := append(numbered(50), "bad", "also bad")
		tries, done := w.send(lane, 1, texts...)
		assert.True(t, done)
		assert.Equal(t, 1, tries)
		assert.Equal(t, map[string]string{"bad": reason, "also bad": reason}, w.letters)
		assert.Len(t, w.taken, 50)
		for text, n := range w.taken {
			assert.Equal(t, 1, n, text)
		}
		assert.Less(t, w.sends, 30)
	}
}

// A refusal that an operator can resolve, or a temporary one, leaves the request unchanged.
func TestNothingIsGivenUpThatSomebodyCanMend(t *testing.T) {
	for code := codes.Code(1); code <= 17; code++ {
		if verdict.GRPC(code, "").Verdict == verdict.Data {
			continue
		}
		w, lane := newWorld(t, func([]string) codes.Code { return code })
		_, done := w.send(lane, 50, numbered(20)...)
		assert.False(t, done, code)
		assert.Empty(t, w.letters, code)
		w.decide = func([]string) codes.Code { return codes.OK }
		_, done = w.send(lane, 1, numbered(20)...)
		assert.True(t, done, code)
	}
}

// A server stumbles over one item of one request and takes others: the item goes, its neighbours pass.
func TestAPoisonousItemIsFoundWhileOthersPass(t *testing.T) {
	w, lane := newWorld(t, func(items []string) codes.Code {
		if has(items, "poison") {
			return codes.Internal
		}
		return codes.OK
	})
	_, done := w.send(lane, 2, append(numbered(50), "poison")...)
	require.False(t, done, "it may be the server's trouble")
	body := encode(append(numbered(50), "poison")...)
	for range 20 {
		_, _ = w.send(lane, 1, "another")
		a := lane.Send(t.Context(), "one", func(ctx context.Context) dispatch.Answer { return w.post(ctx, body) },
			func() ([]byte, error) { return body, nil }, w.post)
		if done = a.Verdict == verdict.Accepted; done {
			break
		}
	}
	require.True(t, done)
	assert.Equal(t, map[string]string{"poison": dispatch.Doubtful}, w.letters)
	for _, text := range numbered(50) {
		assert.Equal(t, 1, w.taken[text], text)
	}
}

// The server fails for everything: nothing becomes a dead letter, however long that lasts, and the number of parked requests is bounded. They are
// sent when the server works.
func TestAServerThatFailsForAllBuriesNothing(t *testing.T) {
	w, lane := newWorld(t, func([]string) codes.Code { return codes.Unknown })
	w.room = 2
	for i := range 2 {
		_, done := w.send(lane, 20, fmt.Sprint("parked ", i))
		require.True(t, done)
	}
	_, done := w.send(lane, 100, numbered(30)...)
	require.False(t, done)
	for i, body := range w.parked {
		require.False(t, lane.Resume(t.Context(), fmt.Sprint(i), body, w.post))
	}
	require.Empty(t, w.letters)
	w.decide = func([]string) codes.Code { return codes.OK }
	_, done = w.send(lane, 1, numbered(30)...)
	require.True(t, done)
	for i, body := range w.parked {
		require.True(t, lane.Resume(t.Context(), fmt.Sprint(i), body, w.post))
	}
	assert.Equal(t, 1, w.taken["parked 0"])
	assert.Equal(t, 1, w.taken["parked 1"])
	assert.Len(t, w.taken, 32)
}

// A parked request that is the cause itself is buried once others pass.
func TestAParkedPoisonIsBuried(t *testing.T) {
	w, lane := newWorld(t, func(items []string) codes.Code {
		if has(items, "poison") {
			return codes.Internal
		}
		return codes.OK
	})
	w.room = 1
	_, done := w.send(lane, 10, "poison", "neighbour")
	require.True(t, done)
	done = false
	for range 10 {
		_, _ = w.send(lane, 1, "other")
		if done = lane.Resume(t.Context(), "p", w.parked[0], w.post); done {
			break
		}
	}
	require.True(t, done)
	assert.Equal(t, map[string]string{"poison": dispatch.Doubtful}, w.letters)
	assert.Equal(t, 1, w.taken["neighbour"])
}

// The disk of the dead letters is full: the items wait.
func TestWhatCantBeStoredIsTriedAgain(t *testing.T) {
	w, lane := newWorld(t, func(items []string) codes.Code {
		if has(items, "bad") {
			return codes.InvalidArgument
		}
		return codes.OK
	})
	w.full = true
	body := encode("good", "bad")
	send := func() bool {
		return lane.Send(t.Context(), "x", func(ctx context.Context) dispatch.Answer { return w.post(ctx, body) },
			func() ([]byte, error) { return body, nil }, w.post).Verdict == verdict.Accepted
	}
	require.False(t, send())
	require.False(t, send())
	w.full = false
	require.True(t, send())
	assert.Equal(t, map[string]int{"good": 1}, w.taken)
	assert.Equal(t, map[string]string{"bad": dispatch.Refused}, w.letters)
}

// Two requests with equal bytes are two: the parts of one are not those of the other.
func TestEqualRequestsAreNotTakenForOne(t *testing.T) {
	broken := true
	w, lane := newWorld(t, func(items []string) codes.Code {
		switch {
		case has(items, "bad"):
			return codes.InvalidArgument
		case has(items, "second") && broken:
			return codes.Unavailable
		}
		return codes.OK
	})
	body := encode("first", "bad", "second")
	send := func(holder string) bool {
		return lane.Send(t.Context(), holder, func(ctx context.Context) dispatch.Answer { return w.post(ctx, body) },
			func() ([]byte, error) { return body, nil }, w.post).Verdict == verdict.Accepted
	}
	require.False(t, send("a"))
	broken = false
	delete(w.letters, "bad")
	require.True(t, send("b"))
	delete(w.letters, "bad")
	require.True(t, send("a"))
	assert.Equal(t, map[string]int{"first": 2, "second": 2}, w.taken)
	require.True(t, send(""), "without a holder it is sent whole each time")
}

func TestRejectedItemsAreCounted(t *testing.T) {
	w, lane := newWorld(t, func([]string) codes.Code { return codes.OK })
	w.rejected = 3
	_, done := w.send(lane, 1, numbered(4)...)
	require.True(t, done)
	assert.Zero(t, w.rejected)
}

func TestARequestWithoutItemsIsBuriedAsItIs(t *testing.T) {
	w, lane := newWorld(t, func([]string) codes.Code { return codes.InvalidArgument })
	_, done := w.send(lane, 1)
	assert.True(t, done)
}

// Whatever the server answers, each item ends accepted or as a dead letter, never neither; and none is buried that is not to blame.
func TestEachItemEndsSomewhere(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 9))
	for round := range 300 {
		items := numbered(1 + random.IntN(40))
		fate := map[string]codes.Code{}
		for _, item := range items {
			switch random.IntN(12) {
			case 0:
				fate[item] = codes.InvalidArgument
			case 1:
				fate[item] = 100
			case 2:
				fate[item] = codes.Internal
			}
		}
		w, lane := newWorld(t, nil)
		w.decide = func(got []string) codes.Code {
			if random.IntN(10) == 0 {
				return []codes.Code{codes.Unavailable, codes.Unauthenticated, codes.DeadlineExceeded}[random.IntN(3)]
			}
			for _, item := range got {
				if fate[item] != codes.OK {
					return fate[item]
				}
			}
			return codes.OK
		}
		body, done := encode(items...), false
		for n := 0; n < 400 && !done; n++ {
			_, _ = w.send(lane, 1, "others")
			done = lane.Send(t.Context(), "x", func(ctx context.Context) dispatch.Answer { return w.post(ctx, body) },
				func() ([]byte, error) { return body, nil }, w.post).Verdict == verdict.Accepted
		}
		require.True(t, done, "round %d", round)
		for _, item := range items {
			_, dead := w.letters[item]
			require.Equal(t, fate[item] != codes.OK, dead, item)
			require.Equal(t, !dead, w.taken[item] == 1, item)
		}
	}
}
