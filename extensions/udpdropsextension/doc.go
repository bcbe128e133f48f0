// Package udpdropsextension counts the datagrams that the kernel drops before this process reads them. UDP senders can't be slowed down and get no
// answer, so this is the only place where the loss is visible.
package udpdropsextension

//go:generate mdatagen metadata.yaml
