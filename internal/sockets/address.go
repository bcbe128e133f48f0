package sockets

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// The networks of an Address.
const (
	UDP      = "udp"
	TCP      = "tcp"
	TLS      = "tls"
	Unixgram = "unixgram"
)

// Address is one socket to open.
type Address struct {
	Network string // UDP, TCP, TLS or Unixgram
	Address string // host:port, or the path of a Unix socket
}

// Parse parses one address: udp://, tcp:// or tls:// before host:port, unixgram:// before a path. A bare host:port is UDP and TCP; with certificate
// its TCP uses TLS.
func Parse(text string, certificate bool) ([]Address, error) {
	network, address, ok := strings.Cut(text, "://")
	if !ok {
		stream := TCP
		if certificate {
			stream = TLS
		}
		return []Address{{UDP, text}, {stream, text}}, check(text)
	}
	switch network {
	case Unixgram:
		if !strings.HasPrefix(address, "/") {
			return nil, fmt.Errorf("%q: the path of a Unix socket begins with /", text)
		}
		return []Address{{network, address}}, nil
	case UDP, TCP, TLS:
		return []Address{{network, address}}, check(address)
	}
	return nil, fmt.Errorf("%q: %s is not one of udp, tcp, tls and unixgram", text, network)
}

func check(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not host:port", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q has no port number", address)
	}
	return nil
}
