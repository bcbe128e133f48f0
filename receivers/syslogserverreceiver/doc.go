// Package syslogserverreceiver receives syslog over UDP, TCP and TLS, messages of RFC 5424 and RFC 3164 with both framings on one address.
// A message that it can't parse becomes a record with its text, and is counted.
package syslogserverreceiver

//go:generate mdatagen metadata.yaml
