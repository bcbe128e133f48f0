// Package sockets listens where line protocols arrive: UDP, TCP, TLS and Unix datagram sockets. It bounds connections, and reads what the
// kernel already holds before it stops.
package sockets
