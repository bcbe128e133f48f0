// Package crossoriginprotectionextension is a middleware of HTTP servers whose clients are programs: it refuses requests of web pages.
package crossoriginprotectionextension

//go:generate mdatagen metadata.yaml
