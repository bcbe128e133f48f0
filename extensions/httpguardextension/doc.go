// Package httpguardextension is a middleware of HTTP servers whose clients are programs: it keeps web pages out.
package httpguardextension

//go:generate mdatagen metadata.yaml
