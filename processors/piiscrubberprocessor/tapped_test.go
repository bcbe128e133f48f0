package piiscrubberprocessor

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/tap"
	"github.com/penstockhq/penstock/internal/tap/sampler"
)

// console is an extension that has a sampler.
type console struct {
	component.Component
	*sampler.Sampler
}

func (c console) TapSampler() *sampler.Sampler { return c.Sampler }

type consoleHost struct{ console }

func (h consoleHost) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("console"): h.console}
}

// A tap before the scrubber shows what the scrubber would pass, and its findings are not counted twice.
func TestATapShowsScrubbedRecordsOnly(t *testing.T) {
	set, telemetry := settings(t)
	cfg := createDefaultConfig().(*Config)
	cfg.KeyFile = t.TempDir() + "/pii.key"
	sink := &consumertest.LogsSink{}
	p, err := NewFactory().CreateLogs(context.Background(), set, cfg, sink)
	require.NoError(t, err)
	hub := tap.NewHub(1)
	s := sampler.New(hub)
	point := tap.NewPoint(tap.Place{Side: tap.Before, Kind: "processor", Component: "pii_scrubber", Signal: "logs"})
	hub.Add(point)
	viewer, err := hub.Open(tap.Filter{}, 10)
	require.NoError(t, err)

	record := func() plog.Logs {
		ld := tenantLogs("acme")
		r := ld.ResourceLogs().At(0).ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		r.Body().SetStr("paid by jane@example.com, card 4111 1111 1111 1111")
		r.Attributes().PutStr("client.address", "93.184.41.253")
		return ld
	}
	s.Logs(t.Context(), point, record())
	assert.Equal(t, tap.Counts{Seen: 1, Unscrubbed: 1}, viewer.Counts(), "nothing is shown before the scrubber has started")

	require.NoError(t, p.Start(context.Background(), consoleHost{console{Sampler: s}}))
	s.Logs(t.Context(), point, record())
	require.EqualValues(t, 1, viewer.Counts().Shown)
	line := string(<-viewer.Lines())
	assert.NotContains(t, line, "jane")
	assert.NotContains(t, line, "4111")
	assert.NotContains(t, line, "93.184")
	_, err = telemetry.GetMetric("otelcol_processor_pii_scrubber_findings")
	require.Error(t, err, "what a tap finds is not counted")

	require.NoError(t, p.ConsumeLogs(context.Background(), record()))
	stored, _ := sink.AllLogs()[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().Get("client.address")
	assert.Contains(t, line, stored.Str(), "the hash is the one that is stored")

	require.NoError(t, p.Shutdown(context.Background()))
	assert.Empty(t, s.Scrubbers())
	s.Logs(t.Context(), point, record())
	assert.EqualValues(t, 2, viewer.Counts().Unscrubbed)
}

// While the gateways' key is not known a tap shows nothing either.
func TestATapWaitsForTheSharedKey(t *testing.T) {
	s := sampler.New(tap.NewHub(1))
	set, _ := settings(t)
	cfg := createDefaultConfig().(*Config)
	id := component.MustNewID("sharer")
	cfg.KeyExtension = &id
	p, err := NewFactory().CreateLogs(context.Background(), set, cfg, consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), sharingHost{consoleHost{console{Sampler: s}}}))
	assert.Empty(t, s.Scrubbers())
	require.NoError(t, p.Shutdown(context.Background()))
}

type sharingHost struct{ consoleHost }

func (h sharingHost) GetExtensions() map[component.ID]component.Component {
	all := h.consoleHost.GetExtensions()
	all[component.MustNewID("sharer")] = failing{}
	return all
}

// failing shares no key now.
type failing struct{ component.Component }

func (failing) SharedKey(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("Kafka could not be asked")
}
