package tapped

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/xconsumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/penstockhq/penstock/internal/tap"
	"github.com/penstockhq/penstock/internal/tap/sampler"
)

// point is a place where taps can see batches, from the start of its component until its shutdown. Without a console there are no taps.
type point struct {
	*tap.Point
	sampler *sampler.Sampler // written before the point can be open; nil: there is no console
}

func newPoint(side, kind string, id component.ID, signal string, set component.TelemetrySettings) *point {
	return &point{Point: tap.NewPoint(tap.Place{Side: side, Kind: kind, Component: id.String(), Signal: signal, Pipeline: pipelineOf(set)})}
}

func before(kind string, id component.ID, signal string, set component.TelemetrySettings) *point {
	return newPoint(tap.Before, kind, id, signal, set)
}

func after(kind string, id component.ID, signal string, set component.TelemetrySettings) *point {
	return newPoint(tap.After, kind, id, signal, set)
}

func around(kind string, id component.ID, in, out string, set component.TelemetrySettings) (*point, *point) {
	return before(kind, id, in, set), after(kind, id, out, set)
}

// start opens the point to taps. A component that several signals share is started for each.
func (p *point) start(host component.Host) {
	if p == nil || p.sampler != nil {
		return
	}
	if p.sampler = sampler.Find(host); p.sampler != nil {
		p.sampler.Hub().Add(p.Point)
	}
}

func (p *point) stop() {
	if p != nil && p.sampler != nil {
		p.sampler.Hub().Remove(p.Point)
	}
}

// source is a receiver with a point at its output.
type source struct {
	component.Component
	out *point
}

// started returns a function that processes a factory's result.
func started(out *point) func(component.Component, error) (component.Component, error) {
	return func(made component.Component, err error) (component.Component, error) {
		if err != nil {
			return nil, err
		}
		return &source{made, out}, nil
	}
}

func (s *source) Start(ctx context.Context, host component.Host) error {
	s.out.start(host)
	return s.Component.Start(ctx, host)
}

func (s *source) Shutdown(ctx context.Context) error {
	s.out.stop()
	return s.Component.Shutdown(ctx)
}

// logsComponent is a processor, an exporter or a connector of logs.
type logsComponent interface {
	component.Component
	consumer.Logs
}

// logs is one with points at its input and output; out is nil where it has none.
type logs struct {
	logsComponent
	in, out *point
}

func (c *logs) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	if c.in.Open() {
		c.in.sampler.Logs(ctx, c.in.Point, ld)
	}
	return c.logsComponent.ConsumeLogs(ctx, ld)
}

func (c *logs) Start(ctx context.Context, host component.Host) error {
	c.in.start(host)
	c.out.start(host)
	return c.logsComponent.Start(ctx, host)
}

func (c *logs) Shutdown(ctx context.Context) error {
	c.in.stop()
	c.out.stop()
	return c.logsComponent.Shutdown(ctx)
}

// nextLogs is the next consumer of a component, with the component's point.
type nextLogs struct {
	consumer.Logs
	out *point
}

func (n *nextLogs) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	if n.out.Open() {
		n.out.sampler.Logs(ctx, n.out.Point, ld)
	}
	return n.Logs.ConsumeLogs(ctx, ld)
}

type metricsComponent interface {
	component.Component
	consumer.Metrics
}

type metrics struct {
	metricsComponent
	in, out *point
}

func (c *metrics) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if c.in.Open() {
		c.in.sampler.Metrics(ctx, c.in.Point, md)
	}
	return c.metricsComponent.ConsumeMetrics(ctx, md)
}

func (c *metrics) Start(ctx context.Context, host component.Host) error {
	c.in.start(host)
	c.out.start(host)
	return c.metricsComponent.Start(ctx, host)
}

func (c *metrics) Shutdown(ctx context.Context) error {
	c.in.stop()
	c.out.stop()
	return c.metricsComponent.Shutdown(ctx)
}

type nextMetrics struct {
	consumer.Metrics
	out *point
}

func (n *nextMetrics) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if n.out.Open() {
		n.out.sampler.Metrics(ctx, n.out.Point, md)
	}
	return n.Metrics.ConsumeMetrics(ctx, md)
}

type tracesComponent interface {
	component.Component
	consumer.Traces
}

type traces struct {
	tracesComponent
	in, out *point
}

func (c *traces) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	if c.in.Open() {
		c.in.sampler.Traces(ctx, c.in.Point, td)
	}
	return c.tracesComponent.ConsumeTraces(ctx, td)
}

func (c *traces) Start(ctx context.Context, host component.Host) error {
	c.in.start(host)
	c.out.start(host)
	return c.tracesComponent.Start(ctx, host)
}

func (c *traces) Shutdown(ctx context.Context) error {
	c.in.stop()
	c.out.stop()
	return c.tracesComponent.Shutdown(ctx)
}

type nextTraces struct {
	consumer.Traces
	out *point
}

func (n *nextTraces) ConsumeTraces(ctx context.Context, td ptrace.Traces) error {
	if n.out.Open() {
		n.out.sampler.Traces(ctx, n.out.Point, td)
	}
	return n.Traces.ConsumeTraces(ctx, td)
}

type profilesComponent interface {
	component.Component
	xconsumer.Profiles
}

type profiles struct {
	profilesComponent
	in, out *point
}

func (c *profiles) ConsumeProfiles(ctx context.Context, pd pprofile.Profiles) error {
	if c.in.Open() {
		c.in.sampler.Profiles(ctx, c.in.Point, pd)
	}
	return c.profilesComponent.ConsumeProfiles(ctx, pd)
}

func (c *profiles) Start(ctx context.Context, host component.Host) error {
	c.in.start(host)
	c.out.start(host)
	return c.profilesComponent.Start(ctx, host)
}

func (c *profiles) Shutdown(ctx context.Context) error {
	c.in.stop()
	c.out.stop()
	return c.profilesComponent.Shutdown(ctx)
}

type nextProfiles struct {
	xconsumer.Profiles
	out *point
}

func (n *nextProfiles) ConsumeProfiles(ctx context.Context, pd pprofile.Profiles) error {
	if n.out.Open() {
		n.out.sampler.Profiles(ctx, n.out.Point, pd)
	}
	return n.Profiles.ConsumeProfiles(ctx, pd)
}
