package sockets

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// packetSize is the largest datagram.
	packetSize = 64 << 10
	// receiveBuffer is the buffer requested from the kernel for each datagram socket; the kernel gives at most net.core.rmem_max.
	receiveBuffer = 8 << 20
	// handshakeTimeout bounds how long a client may take to begin TLS.
	handshakeTimeout = 10 * time.Second
	// quiet is how long a socket must be silent during a stop before it counts as read, and drain bounds that for a busy one.
	quiet = 50 * time.Millisecond
	drain = 2 * time.Second
)

// The reasons for which a connection is refused.
const (
	TooMany   = "too_many"
	Handshake = "handshake"
)

// Settings of a Server. Packet and Stream are called from several goroutines concurrently.
type Settings struct {
	Addresses []Address
	// TLS is the configuration of the addresses with TLS.
	TLS *tls.Config
	// MaxConnections bounds the connections that are open at once.
	MaxConnections int
	// SocketMode is the permissions of Unix sockets.
	SocketMode os.FileMode
	// Packet processes a datagram, whose memory the server reuses when it returns. from is nil for a Unix socket.
	Packet func(packet []byte, from net.Addr)
	// Stream reads a connection to its end. The server closes it.
	Stream func(conn net.Conn)
	// Refused is called with the reason of a refused connection: TooMany or Handshake.
	Refused func(reason string)
	// Failed is called when a socket can no longer be read.
	Failed func(error)
}

// Server is open sockets. It is safe for concurrent use.
type Server struct {
	set       Settings
	packets   []net.PacketConn
	listeners []net.Listener
	addresses []net.Addr
	slots     chan struct{}
	deadline  atomic.Int64 // UnixNano; 0: not stopping
	done      sync.WaitGroup
	closed    sync.Once

	mu    sync.Mutex
	conns map[net.Conn]struct{} // guarded by mu
}

// Listen opens all sockets, or none and returns an error. Everything that Packet and Stream need must be ready.
func Listen(ctx context.Context, set Settings) (*Server, error) {
	s := &Server{set: set, slots: make(chan struct{}, set.MaxConnections), conns: map[net.Conn]struct{}{}}
	for _, a := range set.Addresses {
		if err := s.open(ctx, a); err != nil {
			s.close()
			return nil, fmt.Errorf("listen on %s://%s: %w", a.Network, a.Address, err)
		}
	}
	for _, p := range s.packets {
		s.done.Go(func() { s.receive(p) })
	}
	for _, l := range s.listeners {
		s.done.Go(func() { s.accept(l) })
	}
	return s, nil
}

func (s *Server) open(ctx context.Context, a Address) error {
	var lc net.ListenConfig
	switch a.Network {
	case UDP, Unixgram:
		if a.Network == Unixgram {
			if err := removeSocket(a.Address); err != nil {
				return err
			}
		}
		p, err := lc.ListenPacket(ctx, a.Network, a.Address)
		if err != nil {
			return err
		}
		s.packets = append(s.packets, p)
		s.addresses = append(s.addresses, p.LocalAddr())
		if b, ok := p.(interface{ SetReadBuffer(int) error }); ok {
			_ = b.SetReadBuffer(receiveBuffer) // the kernel's bound must not prevent the start
		}
		if a.Network == Unixgram {
			return os.Chmod(a.Address, s.set.SocketMode)
		}
		return nil
	default:
		if a.Network == TLS && s.set.TLS == nil {
			return errors.New("no certificate is configured")
		}
		l, err := lc.Listen(ctx, TCP, a.Address)
		if err != nil {
			return err
		}
		s.addresses = append(s.addresses, l.Addr())
		if a.Network == TLS {
			l = tls.NewListener(l, s.set.TLS)
		}
		s.listeners = append(s.listeners, l)
		return nil
	}
}

// removeSocket removes the socket of a process that ended without closing it. Any other file stays, and the start fails.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil
	}
	if conn, err := net.Dial(Unixgram, path); err == nil {
		return errors.Join(errors.New("another process listens on it"), conn.Close())
	}
	return os.Remove(path)
}

// Addresses are those of the open sockets, in the order of the settings.
func (s *Server) Addresses() []net.Addr { return s.addresses }

func (s *Server) receive(p net.PacketConn) {
	buffer := make([]byte, packetSize)
	for {
		if by := s.deadline.Load(); by != 0 {
			_ = p.SetReadDeadline(time.Unix(0, min(by, time.Now().Add(quiet).UnixNano())))
		}
		n, from, err := p.ReadFrom(buffer)
		switch {
		case err == nil:
			s.set.Packet(buffer[:n], from)
		case s.deadline.Load() == 0:
			s.set.Failed(fmt.Errorf("read %v: %w", p.LocalAddr(), err))
			return
		default: // silent since the stop began, or the time is over
			return
		}
	}
}

func (s *Server) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			if s.deadline.Load() != 0 {
				return
			}
			var temporary interface{ Temporary() bool }
			if errors.As(err, &temporary) && temporary.Temporary() { // no file descriptors left, for example
				time.Sleep(quiet)
				continue
			}
			s.set.Failed(fmt.Errorf("accept at %v: %w", l.Addr(), err))
			return
		}
		select {
		case s.slots <- struct{}{}:
		default:
			s.set.Refused(TooMany)
			_ = conn.Close()
			continue
		}
		s.mu.Lock()
		s.conns[conn] = struct{}{}
		s.mu.Unlock()
		s.done.Go(func() { s.serve(conn) })
	}
}

func (s *Server) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
		<-s.slots
	}()
	if secure, ok := conn.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
		err := secure.HandshakeContext(ctx)
		cancel()
		if err != nil {
			s.set.Refused(Handshake)
			return
		}
	}
	s.set.Stream(draining{conn, s})
}

// draining ends a connection when the server stops and the client is silent.
type draining struct {
	net.Conn
	s *Server
}

func (d draining) Read(p []byte) (int, error) {
	if by := d.s.deadline.Load(); by != 0 {
		_ = d.SetReadDeadline(time.Unix(0, min(by, time.Now().Add(quiet).UnixNano())))
	}
	return d.Conn.Read(p)
}

// Stop opens no more connections, reads the data that the kernel holds for the others for at most two seconds, and returns when Packet and Stream
// have returned. It may be repeated.
func (s *Server) Stop() {
	if s.deadline.CompareAndSwap(0, time.Now().Add(drain).UnixNano()) {
		for _, l := range s.listeners {
			_ = l.Close()
		}
		soon := time.Now().Add(quiet)
		for _, p := range s.packets {
			_ = p.SetReadDeadline(soon)
		}
		s.mu.Lock()
		for conn := range s.conns {
			_ = conn.SetReadDeadline(soon)
		}
		s.mu.Unlock()
	}
	s.done.Wait()
	s.closed.Do(s.close)
}

func (s *Server) close() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
	for _, p := range s.packets {
		_ = p.Close()
		if p.LocalAddr().Network() == Unixgram {
			_ = os.Remove(p.LocalAddr().String())
		}
	}
}
