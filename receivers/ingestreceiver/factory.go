package ingestreceiver

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

	"github.com/penstockhq/penstock/receivers/ingestreceiver/internal/metadata"
)

// NewFactory returns the factory of the ingest receiver.
func NewFactory() receiver.Factory {
	s := &shared{all: map[*Config]*ingest{}}
	return receiver.NewFactory(metadata.Type, createDefaultConfig,
		receiver.WithLogs(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
			r, err := s.of(cfg.(*Config), set)
			if err == nil {
				r.logs = next
			}
			return r, err
		}, metadata.LogsStability),
		receiver.WithMetrics(func(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
			r, err := s.of(cfg.(*Config), set)
			if err == nil {
				r.metrics = next
			}
			return r, err
		}, metadata.MetricsStability))
}

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr = confignet.AddrConfig{Endpoint: "127.0.0.1:4319", Transport: confignet.TransportTypeTCP}
	server.MaxRequestBodySize = 4 << 20
	server.CompressionAlgorithms = []string{} // confighttp passes bodies unchanged: the receiver decompresses within its bounds
	server.ReadHeaderTimeout, server.ReadTimeout, server.WriteTimeout = 10*time.Second, 30*time.Second, 2*time.Minute
	return &Config{HTTP: server, MaxItems: 1000, MaxConcurrent: 64, MaxFuture: 10 * time.Minute, OnTime: markTime,
		Shippers: ShippersConfig{MaxBody: 20 << 20, MaxItems: 100_000}}
}

// shared returns one receiver, with one listener, for all signals of a configuration.
type shared struct {
	mu  sync.Mutex
	all map[*Config]*ingest // guarded by mu; without receivers that were shut down
}

func (s *shared) of(cfg *Config, set receiver.Settings) (*ingest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.all[cfg]; r != nil {
		return r, nil
	}
	r, err := newIngest(cfg, set)
	if err != nil {
		return nil, err
	}
	r.gone = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, cfg)
	}
	s.all[cfg] = r
	return r, nil
}
