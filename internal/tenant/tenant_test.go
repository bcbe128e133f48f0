package tenant_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/internal/tenant"
)

func Example() {
	resource := pcommon.NewMap()
	resource.PutInt("tenant.id", 42)
	fromClient, _ := tenant.Client(context.Background())
	name, _ := tenant.Of(fromClient, resource)
	fmt.Println(name)
	// Output: 42
}

// The conformance table: metadata (nil: the key is absent), the resource attribute (nil: absent), and the tenant.
func TestTheRule(t *testing.T) {
	long, tooLong := strings.Repeat("x", tenant.MaxBytes), strings.Repeat("x", tenant.MaxBytes+1)
	for name, c := range map[string]struct {
		metadata    []string
		attribute   any
		want        string
		badMetadata bool
		badResource bool
	}{
		"nothing":                          {nil, nil, "default", false, false},
		"metadata":                         {[]string{"a"}, nil, "a", false, false},
		"attribute":                        {nil, "b", "b", false, false},
		"metadata goes before":             {[]string{"a"}, "b", "a", false, false},
		"the first value counts":           {[]string{"a", "b"}, nil, "a", false, false},
		"an empty first value is none":     {[]string{"", "a"}, "b", "b", false, false},
		"no value is none":                 {[]string{}, "b", "b", false, false},
		"an empty attribute is none":       {nil, "", "default", false, false},
		"an integer":                       {nil, 42, "42", false, false},
		"zero":                             {nil, 0, "0", false, false},
		"a number":                         {nil, 1.5, "1.5", false, false},
		"a bool":                           {nil, true, "true", false, false},
		"a list has a text":                {nil, []any{"a"}, `["a"]`, false, false},
		"digits stay text":                 {nil, "007", "007", false, false},
		"case is kept":                     {[]string{"Team-A"}, nil, "Team-A", false, false},
		"the longest":                      {[]string{long}, nil, long, false, false},
		"a space and what is not ASCII":    {nil, "Würth & Söhne", "Würth & Söhne", false, false},
		"dots within":                      {nil, "...", "...", false, false},
		"too long, in metadata":            {[]string{tooLong}, "b", "default", true, false},
		"too long, in the attribute":       {nil, tooLong, "default", false, true},
		"a bad attribute that isn't asked": {[]string{"a"}, tooLong, "a", false, false},
		"a slash":                          {nil, "a/b", "default", false, true},
		"a list with a slash":              {nil, []any{"a/b"}, "default", false, true},
		"here":                             {nil, ".", "default", false, true},
		"above":                            {[]string{".."}, nil, "default", true, false},
		"a line break":                     {[]string{"a\nb"}, nil, "default", true, false},
		"NUL, the journal's separator":     {nil, "a\x00b", "default", false, true},
		"DEL":                              {nil, "a\x7f", "default", false, true},
		"a control character beyond ASCII": {nil, "a\u0085b", "default", false, true},
		"a space of no width":              {nil, "ac\u200bme", "default", false, true},
		"text in the other direction":      {[]string{"a\u202eb"}, nil, "default", true, false},
		"bytes that are not UTF-8":         {[]string{"a\xff"}, nil, "default", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			if c.metadata != nil {
				ctx = client.NewContext(ctx, client.Info{Metadata: client.NewMetadata(map[string][]string{"X-Scope-OrgID": c.metadata})})
			}
			attrs := pcommon.NewMap()
			if c.attribute != nil {
				v := attrs.PutEmpty("tenant.id")
				require.NoError(t, v.FromRaw(c.attribute))
			}
			fromClient, err := tenant.Client(ctx)
			assert.Equal(t, c.badMetadata, err != nil, err)
			got, err := tenant.Of(fromClient, attrs)
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.badResource, err != nil, err)
			if err != nil {
				require.ErrorIs(t, err, tenant.ErrName)
			}
		})
	}
}

func TestWith(t *testing.T) {
	ctx := client.NewContext(context.Background(), client.Info{Metadata: client.NewMetadata(map[string][]string{"authorization": {"secret"}})})
	ctx = tenant.With(ctx, "a")
	name, err := tenant.Client(ctx)
	require.NoError(t, err)
	assert.Equal(t, "a", name)
	assert.Empty(t, client.FromContext(ctx).Metadata.Get("authorization"))
}

// A valid name can be part of a path, a header and a key of the journal.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"", "a", "..", "a/b", "\x00", "\u2028", strings.Repeat("é", 75)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if err := tenant.Check(name); err != nil {
			assert.Less(t, len(err.Error()), 1200, "messages are short")
			return
		}
		assert.NotEmpty(t, name)
		assert.LessOrEqual(t, len(name), 150)
		assert.False(t, strings.ContainsAny(name, "/\x00\r\n\t"))
		assert.NotContains(t, []string{".", ".."}, name)
	})
}
