// Package openapi compares the built binary with the OpenAPI description that it serves.
package openapi
