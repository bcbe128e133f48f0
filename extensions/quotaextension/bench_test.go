package quotaextension_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"github.com/penstockhq/penstock/extensions/quotaextension"
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
	before := spent()
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
	b.ReportMetric(float64(spent()-before)/float64(b.N), "cpu-ns/op")
}

// spent is the CPU time of this process: a busy machine does not change it.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // can't fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
