// Package proxy is a proxy between a client and a server that makes their connections fail like networks do: they break silently, lose one
// direction, or become slow.
package proxy

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Fault is what happens to the bytes of a connection.
type Fault int32

const (
	// None passes everything.
	None Fault = iota
	// NoAnswers drops the server's data: it has the request, and the client does not learn that.
	NoAnswers
	// NoRequests drops the client's data.
	NoRequests
	// Silence swallows both: half-open, as when a firewall has forgotten the connection.
	Silence
	// Slow passes a few kilobytes a second.
	Slow
)

// Slow passes a piece of slowBytes, then waits.
const (
	slowBytes = 256
	slowWait  = 20 * time.Millisecond
)

// Proxy is safe for concurrent use.
type Proxy struct {
	// Address is where clients connect.
	Address string

	target   string
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	fault Fault              // guarded by mu; of connections that come
	all   map[*link]struct{} // guarded by mu
}

// link is a connection and its way on. A direction that has swallowed something swallows for ever: what follows would make no sense.
type link struct {
	client, server net.Conn
	fault          atomic.Int32
	deaf, mute     atomic.Bool // has swallowed requests, answers
}

// New listens on loopback until the test ends.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{Address: l.Addr().String(), target: target, listener: l, all: map[*link]struct{}{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.Cut()
		p.wg.Wait()
	})
	return p
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		c := &link{client: client, server: server}
		p.mu.Lock()
		c.fault.Store(int32(p.fault))
		p.all[c] = struct{}{}
		p.mu.Unlock()
		p.wg.Go(func() { p.pass(c, client, server, NoRequests, &c.deaf) })
		p.wg.Go(func() { p.pass(c, server, client, NoAnswers, &c.mute) })
	}
}

// pass copies one direction, which fault swallows.
func (p *Proxy) pass(c *link, from, to net.Conn, fault Fault, dead *atomic.Bool) {
	defer p.close(c)
	for buffer := make([]byte, 32<<10); ; {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		now := Fault(c.fault.Load())
		if now == fault || now == Silence {
			dead.Store(true)
		}
		for piece := buffer[:n]; len(piece) > 0 && !dead.Load(); {
			size := len(piece)
			if Fault(c.fault.Load()) == Slow {
				size = min(size, slowBytes)
				time.Sleep(slowWait)
			}
			if _, err := to.Write(piece[:size]); err != nil {
				return
			}
			piece = piece[size:]
		}
	}
}

func (p *Proxy) close(c *link) {
	_ = c.client.Close()
	_ = c.server.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, c)
}

// Present lets the connections that there are have a fault. Those that come have none.
func (p *Proxy) Present(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.all {
		c.fault.Store(int32(f))
	}
}

// All lets connections have a fault, those too that come.
func (p *Proxy) All(f Fault) {
	p.Present(f)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// Cut ends all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.all {
		_ = c.client.Close()
		_ = c.server.Close()
	}
}
