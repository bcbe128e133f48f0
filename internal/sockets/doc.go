// Package sockets listens for line protocols: on UDP, TCP, TLS and Unix datagram sockets. It bounds connections, and before it stops it reads the
// data that the kernel already holds.
package sockets
