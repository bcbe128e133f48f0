// Package udpdropsextension counts the datagrams that the kernel drops before this process reads them. UDP senders can't be slowed
// and are not told, so this is the only place where the loss shows.
package udpdropsextension

//go:generate mdatagen metadata.yaml
