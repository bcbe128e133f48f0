//go:build tools

// Package server pins what is built here.
package server

import _ "github.com/versity/versitygw/cmd/versitygw"
