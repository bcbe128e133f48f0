// Package crossoriginprotectionextension is a middleware of HTTP servers whose clients are programs: it keeps web pages out.
package crossoriginprotectionextension

//go:generate mdatagen metadata.yaml
