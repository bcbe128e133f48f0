package lokiapi

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/net/websocket"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logql"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlengine"
	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlpipeline"
)

const (
	tailEvery = time.Second
	// tailOverlap is how far each look goes back: a line that was stored later than one with a later time is still seen.
	tailOverlap   = 10 * time.Second
	maxTailDelay  = 5 * time.Second
	maxTail       = time.Hour
	writePatience = 10 * time.Second
)

// tail sends lines as they are stored, over a WebSocket, for an hour at most.
func (a *API) tail(w http.ResponseWriter, r *http.Request) {
	leave, err := a.Tails.Enter(r.Context())
	if err != nil {
		a.fail(w, busyError{err})
		return
	}
	defer leave()
	req, err := a.open(r)
	if err != nil {
		a.fail(w, err)
		return
	}
	t, err := a.newTail(req)
	if err != nil {
		a.fail(w, err)
		return
	}
	// The listener has refused other sites' pages already; without a handshake of its own the package would want an Origin.
	server := websocket.Server{
		Handshake: func(*websocket.Config, *http.Request) error { return nil },
		Handler:   t.serve,
	}
	server.ServeHTTP(hijackable{w}, r)
}

// hijackable finds the connection behind writers that wrap others.
type hijackable struct{ http.ResponseWriter }

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

type tailing struct {
	*request
	text  string
	query *logql.LogQuery
	limit int
	delay time.Duration
	from  time.Time // where the next look begins, before the overlap
	seen  map[string]int64
	clock func() time.Time
}

func (a *API) newTail(r *request) (*tailing, error) {
	t := &tailing{request: r, text: r.Form.Get("query"), seen: map[string]int64{}, clock: a.now}
	e, err := r.parse(t.text)
	if err != nil {
		return nil, err
	}
	var ok bool
	if t.query, ok = e.(*logql.LogQuery); !ok {
		return nil, bad("only log queries can be tailed")
	}
	if _, err := logqlpipeline.Compile(t.text, t.query.Stages); err != nil {
		return nil, err
	}
	if t.limit, err = r.limit(defaultLimit); err != nil {
		return nil, err
	}
	t.limit = min(t.limit, a.Limits.Entries)
	if text := r.Form.Get("delay_for"); text != "" {
		seconds, err := strconv.Atoi(text)
		if t.delay = time.Duration(seconds) * time.Second; err != nil || t.delay < 0 || t.delay > maxTailDelay {
			return nil, bad("delay_for can't be less than zero or greater than %d", int(maxTailDelay.Seconds()))
		}
	}
	t.from, err = r.moment("start", r.now.Add(-time.Hour))
	return t, err
}

func (t *tailing) serve(c *websocket.Conn) {
	ctx, cancel := context.WithTimeout(t.Context(), maxTail)
	defer cancel()
	go func() { // a client that closes is noticed by reading
		defer cancel()
		buffer := make([]byte, 512)
		for {
			if _, err := c.Read(buffer); err != nil {
				return
			}
		}
	}()
	ticker := time.NewTicker(tailEvery)
	defer ticker.Stop()
	for first := true; ; first = false {
		if err := t.look(ctx, c, first); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

type tailMessage struct {
	Streams []*stream `json:"streams"`
	Dropped []dropped `json:"dropped_entries"`
}

type dropped struct {
	Labels map[string]string `json:"labels"`
	Time   string            `json:"timestamp"`
}

// look sends what was stored since the last look: at first the newest lines up to the client's limit, later as many as an answer may have; that there
// were more is told.
func (t *tailing) look(ctx context.Context, c *websocket.Conn, first bool) error {
	to := t.clock().Add(-t.delay)
	from := t.from
	if !first {
		from = from.Add(-tailOverlap)
	}
	lines, _, err := t.engine.Lines(ctx, t.text, t.query, logqlengine.Lines{
		From: from.UnixNano(), To: to.UnixNano() + 1, Limit: t.engine.Limits().Entries,
	})
	if err != nil {
		return err
	}
	var fresh []logqlengine.Line
	for i := range lines {
		line := &lines[i]
		key := fmt.Sprint(line.Time, line.Place) + line.Labels.Key() + line.Text
		if _, known := t.seen[key]; !known {
			fresh = append(fresh, *line)
		}
		t.seen[key] = line.Time
	}
	for key, at := range t.seen {
		if at < to.Add(-2*tailOverlap).UnixNano() {
			delete(t.seen, key)
		}
	}
	t.from = to
	if first && len(fresh) > t.limit {
		fresh = fresh[:t.limit]
	}
	if len(fresh) == 0 {
		return nil
	}
	slices.Reverse(fresh) // a tail goes on below: oldest first
	message := tailMessage{Streams: streams(fresh, false)}
	if oldest := lines[len(lines)-1]; !first && len(lines) == t.engine.Limits().Entries { // older ones may have been left out
		message.Dropped = []dropped{{oldest.Labels.Map(), strconv.FormatInt(oldest.Time, 10)}}
	}
	text, err := marshal(message)
	if err != nil {
		return err
	}
	if err := c.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return err
	}
	return websocket.Message.Send(c, string(text))
}
