package quotaextension_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"github.com/penstockhq/penstock/extensions/quotaextension"
	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/internal/quota"
	"github.com/penstockhq/penstock/internal/quota/door"
)

// BenchmarkRequest is all that a request costs that is held to quotas of its key, tenant and service: at the listener and in the pipeline.
func BenchmarkRequest(b *testing.B) {
	f, n := quotaextension.NewFactory(), int64(1<<40)
	cfg := f.CreateDefaultConfig().(*quotaextension.Config)
	limits := quota.Override{BytesPerSecond: &n, ItemsPerSecond: &n, BytesPerDay: &n}
	cfg.Defaults = quotaextension.DefaultsConfig{Tenant: limits, Service: limits, Key: limits}
	e, err := f.Create(b.Context(), extensiontest.NewNopSettings(f.Type()), cfg)
	require.NoError(b, err)
	require.NoError(b, e.Start(b.Context(), componenttest.NewNopHost()))
	defer func() { require.NoError(b, e.Shutdown(b.Context())) }()
	d := e.(door.Door)
	requests := make([]*http.Request, 1000)
	for i := range requests {
		name := fmt.Sprint("tenant-", i)
		requests[i] = httptest.NewRequest(http.MethodPost, "/v1/logs", nil).WithContext(with(b.Context(), name, authenticated{key: name}))
		requests[i].ContentLength = 50_000
	}
	parts := make([][]door.Part, len(requests))
	for i := range parts {
		parts[i] = []door.Part{{Tenant: fmt.Sprint("tenant-", i), Service: "checkout", Items: 100}}
	}
	b.ReportAllocs()
	defer cputime.Each(b)()
	for i := 0; b.Loop(); i++ {
		r := requests[i%len(requests)]
		admitted, done, err := d.Request(r, "")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.Parts(admitted.Context(), parts[i%len(requests)], nil); err != nil {
			b.Fatal(err)
		}
		done(true)
	}
}
