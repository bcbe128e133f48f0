package prometheustsdbexporter

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"

	"github.com/penstockhq/penstock/internal/delivery"
)

// pickyStore refuses the buckets of histograms, sample by sample.
type pickyStore struct {
	component.StartFunc
	component.ShutdownFunc
	storage.AppenderV2
}

func (s *pickyStore) Appender(context.Context) (storage.AppenderV2, error) { return s, nil }

func (*pickyStore) Append(ref storage.SeriesRef, l labels.Labels, _, _ int64, _ float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	if l.Has("le") {
		return 0, storage.ErrOutOfOrderSample
	}
	return ref, nil
}

func (*pickyStore) Commit() error { return nil }

type hostOf map[component.ID]component.Component

func (h hostOf) GetExtensions() map[component.ID]component.Component { return h }

// The ledger counts data points: a histogram of which several series are refused is one of them.
func TestARefusedHistogramIsOnePoint(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "out of order sample", http.StatusBadRequest)
	}))
	defer srv.Close()
	all := allTypes(time.Now())
	n := int64(all.DataPointCount())
	for name, c := range map[string]struct {
		edit func(*Config)
		host component.Host
		want int64
	}{
		"in process":   {func(cfg *Config) { cfg.TSDB = component.MustNewID("picky") }, hostOf{component.MustNewID("picky"): &pickyStore{}}, 1},
		"remote write": {func(cfg *Config) { cfg.HTTP.Endpoint, cfg.IsolateRefused = srv.URL, false }, componenttest.NewNopHost(), n},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := noQueue(c.edit)
			set := exportertest.NewNopSettings(NewFactory().Type())
			e, err := NewFactory().CreateMetrics(t.Context(), set, cfg)
			require.NoError(t, err)
			require.NoError(t, e.Start(t.Context(), c.host))
			defer func() { require.NoError(t, e.Shutdown(context.Background())) }()
			ctx, session, o := delivering(t, delivery.Live)
			defer session.Close()
			err = e.ConsumeMetrics(ctx, all)
			require.NoError(t, err)
			assert.Equal(t, c.want, o.Refused(delivery.UnitItem), "%+v", o.Refusals())
		})
	}
}
