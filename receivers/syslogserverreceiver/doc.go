// Package syslogserverreceiver takes syslog over UDP, TCP and TLS, messages of RFC 5424 and RFC 3164 and with both framings on one address.
// What it does not understand becomes a record with its text, and is counted.
package syslogserverreceiver

//go:generate mdatagen metadata.yaml
