package broker

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Bounds of the memory that clients can make the broker use.
const (
	maxConnections = 1000
	// requestsBytes bounds the requests in memory; further ones wait.
	requestsBytes = 128 << 20
	// maxProduceBytes is more than the largest dead letter; other requests are small.
	maxProduceBytes = 40 << 20
	maxRequestBytes = 1 << 20
	// maxInFlight is how many unanswered requests a connection may have.
	maxInFlight = 32
	// bodyTimeout bounds how long an incomplete request may hold memory.
	bodyTimeout = 30 * time.Second
	headerBytes = 8 // key, version, correlation id
)

// connections are the open connections.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]struct{} // guarded by mu; nil after closeAll
	done bool
	wg   sync.WaitGroup
}

// add registers a connection; false if there are too many, or the broker stops.
func (c *connections) add(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done || len(c.open) >= maxConnections {
		return false
	}
	if c.open == nil {
		c.open = map[net.Conn]struct{}{}
	}
	c.open[conn] = struct{}{}
	c.wg.Add(1)
	return true
}

func (c *connections) remove(conn net.Conn) {
	c.mu.Lock()
	delete(c.open, conn)
	c.mu.Unlock()
	c.wg.Done()
}

func (c *connections) closeAll() {
	c.mu.Lock()
	c.done = true
	for conn := range c.open {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

// serve accepts connections until the listener is closed.
func (b *Broker) serve() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			if b.ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				b.problem(fmt.Errorf("accept connections: %w", err))
				continue
			}
			return
		}
		if !b.conns.add(conn) {
			_ = conn.Close()
			continue
		}
		go func() {
			defer b.conns.remove(conn)
			b.talk(conn)
		}()
	}
}

// request is a decoded request and where it came from.
type request struct {
	kmsg.Request
	ctx         context.Context // canceled when the connection ends
	correlation int32
	clientID    string
	clientHost  string
	bytes       int64
}

// answer produces the response to a request; nil if there is none.
type answer func() kmsg.Response

// waiting is an answer, in the order of the requests.
type waiting struct {
	r      *request
	answer answer
}

// talk reads requests one after the other and answers them in that order. It enqueues produce requests as it reads them, so several can be in
// flight; it executes all other requests when their answer is due.
func (b *Broker) talk(conn net.Conn) {
	ctx, cancel := context.WithCancel(b.ctx)
	answers := make(chan waiting, maxInFlight)
	written := make(chan struct{})
	go func() {
		defer close(written)
		defer conn.Close()
		out := bufio.NewWriterSize(conn, 64<<10)
		for w := range answers {
			if ctx.Err() == nil && !write(out, w, len(answers) == 0) {
				cancel()
				_ = conn.Close()
			}
			b.memory.Release(w.r.bytes)
		}
	}()
	in := bufio.NewReaderSize(conn, 64<<10)
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	for ctx.Err() == nil {
		r, err := b.read(ctx, conn, in)
		if err != nil {
			break
		}
		r.clientHost = "/" + host
		a := b.handle(r)
		answers <- waiting{r, a}
	}
	cancel()
	close(answers)
	<-written
}

// write sends an answer, and flushes the connection if last is set.
func write(out *bufio.Writer, w waiting, last bool) bool {
	response := w.answer()
	if response == nil {
		return true
	}
	raw := make([]byte, 8, 1024)
	if response.IsFlexible() && response.Key() != int16(kmsg.ApiVersions) {
		raw = append(raw, 0) // no tags
	}
	raw = response.AppendTo(raw)
	binary.BigEndian.PutUint32(raw, uint32(len(raw)-4))
	binary.BigEndian.PutUint32(raw[4:], uint32(w.r.correlation))
	if _, err := out.Write(raw); err != nil {
		return false
	}
	return !last || out.Flush() == nil
}

var errRequest = errors.New("not a request that this broker can read")

// read reads and decodes the next request. It waits until there is memory for it.
func (b *Broker) read(ctx context.Context, conn net.Conn, in *bufio.Reader) (*request, error) {
	var head [4 + headerBytes]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, err
	}
	size := int64(int32(binary.BigEndian.Uint32(head[:]))) - headerBytes
	limit := int64(maxRequestBytes)
	if binary.BigEndian.Uint16(head[4:]) == uint16(kmsg.Produce) {
		limit = maxProduceBytes
	}
	if size < 0 || size > limit {
		return nil, fmt.Errorf("%w: %d bytes", errRequest, size)
	}
	cost := size + 4096
	if err := b.memory.Acquire(ctx, cost); err != nil {
		return nil, err
	}
	body := make([]byte, size)
	err := conn.SetReadDeadline(time.Now().Add(bodyTimeout))
	if err == nil {
		_, err = io.ReadFull(in, body)
	}
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	var r *request
	if err == nil {
		r, err = decode(head[4:], body)
	}
	if err != nil {
		b.memory.Release(cost)
		return nil, err
	}
	r.ctx, r.bytes = ctx, cost
	return r, nil
}

// decode decodes a request from its header's fixed part and the rest.
func decode(head, body []byte) (*request, error) {
	key, version := int16(binary.BigEndian.Uint16(head)), int16(binary.BigEndian.Uint16(head[2:]))
	r := &request{correlation: int32(binary.BigEndian.Uint32(head[4:]))}
	supported, ok := versions[key]
	if !ok {
		return nil, fmt.Errorf("%w: key %d", errRequest, key)
	}
	r.Request = kmsg.RequestForKey(key)
	if version < supported.min || version > supported.max {
		if key != int16(kmsg.ApiVersions) {
			return nil, fmt.Errorf("%w: version %d of %s", errRequest, version, kmsg.NameForKey(key))
		}
		r.Request.SetVersion(0) // The answer lists the supported versions.
		r.Request.(*kmsg.ApiVersionsRequest).ClientSoftwareName = unsupported
		return r, nil
	}
	r.Request.SetVersion(version)
	if len(body) < 2 {
		return nil, errRequest
	}
	n := int(int16(binary.BigEndian.Uint16(body)))
	body = body[2:]
	if n > len(body) {
		return nil, errRequest
	}
	if n > 0 {
		r.clientID, body = string(body[:n]), body[n:]
	}
	if r.IsFlexible() {
		var err error
		if body, err = skipTags(body); err != nil {
			return nil, err
		}
	}
	if err := checkPieces(key, r.IsFlexible(), body); err != nil {
		return nil, err
	}
	if err := r.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%w: %w", errRequest, err)
	}
	return r, nil
}

// skipTags skips the tagged fields of a header.
func skipTags(body []byte) ([]byte, error) {
	n, used := binary.Uvarint(body)
	for body = body[max(0, used):]; used > 0 && n > 0; n-- {
		var size uint64
		if _, used = binary.Uvarint(body); used <= 0 {
			break
		}
		body = body[used:]
		if size, used = binary.Uvarint(body); used <= 0 || size > uint64(len(body)-used) {
			used = -1
			break
		}
		body = body[used+int(size):]
	}
	if used <= 0 {
		return nil, errRequest
	}
	return body, nil
}
