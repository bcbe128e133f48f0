// Package openapi holds the built binary against the OpenAPI description that it serves.
package openapi
