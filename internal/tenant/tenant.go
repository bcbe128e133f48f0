// Package tenant holds the one rule by which every component determines the tenant of telemetry: the first value of the client metadata
// x-scope-orgid if it is not empty, else the resource attribute tenant.id as text (the number 42 is "42"), else "default".
//
// The journal's keys contain the tenant, so the rule decides partitions: if a component had another rule, one series would go through two workers.
// Listeners refuse names that would be a path, a broken header or an endless text; in older records such names count as the default tenant.
package tenant

import (
	"context"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

const (
	// MetadataKey is the client metadata, a header of HTTP or gRPC, that names the tenant of a whole request.
	MetadataKey = "x-scope-orgid"
	// Attribute is the resource attribute that names the tenant of one resource.
	Attribute = "tenant.id"
	// Default is the tenant of telemetry without one.
	Default = "default"
	// MaxBytes is the longest name: Loki's and Mimir's limit.
	MaxBytes = 150
)

// ErrName says that a text is not a valid tenant name.
var ErrName = errors.New("not a tenant's name")

// Check returns an error, which is ErrName, if name is not a valid tenant name: it is empty, longer than MaxBytes, not UTF-8, has a control
// character, an invisible one or a slash, or is "." or "..".
func Check(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrName)
	case len(name) > MaxBytes:
		return fmt.Errorf("%w: %q... has %d bytes, at most %d are allowed", ErrName, cut(name), len(name), MaxBytes)
	case name == "." || name == "..":
		return fmt.Errorf("%w: %q is a path", ErrName, name)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: %q is not UTF-8", ErrName, name)
	}
	for _, r := range name {
		if r == '/' {
			return fmt.Errorf("%w: %q has a slash", ErrName, name)
		}
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: %q has the control character %U", ErrName, name, r)
		}
		if unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) { // zero width, direction: two names would look alike, or one like another text
			return fmt.Errorf("%w: %q has the invisible character %U", ErrName, name, r)
		}
	}
	return nil
}

// cut returns the beginning of a long name, for messages.
func cut(name string) string {
	const shown = 32
	return name[:shown]
}

// Client returns the name in ctx's client metadata; empty if there is none. For a name that fails Check it returns Default, with Check's error.
func Client(ctx context.Context) (string, error) {
	values := client.FromContext(ctx).Metadata.Get(MetadataKey)
	if len(values) == 0 || values[0] == "" {
		return "", nil
	}
	return checked(values[0])
}

// Of returns the tenant of a resource with attributes attrs, in a request for which Client returned fromClient. For a name that fails Check it
// returns Default, with Check's error.
func Of(fromClient string, attrs pcommon.Map) (string, error) {
	if fromClient != "" {
		return fromClient, nil
	}
	v, ok := attrs.Get(Attribute)
	if !ok {
		return Default, nil
	}
	name := v.AsString()
	if name == "" {
		return Default, nil
	}
	return checked(name)
}

func checked(name string) (string, error) {
	if err := Check(name); err != nil {
		return Default, err
	}
	return name, nil
}

// With returns a context whose client metadata names the tenant and nothing else.
func With(ctx context.Context, name string) context.Context {
	info := client.FromContext(ctx)
	info.Metadata = client.NewMetadata(map[string][]string{MetadataKey: {name}})
	return client.NewContext(ctx, info)
}
