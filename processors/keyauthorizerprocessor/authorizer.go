package keyauthorizerprocessor

import (
	"context"
	"iter"
	"slices"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/processors/keyauthorizerprocessor/internal/metadata"
)

// authorizer counts refusals.
type authorizer struct{ telemetry *metadata.TelemetryBuilder }

func newAuthorizer(set processor.Settings) (*authorizer, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	return &authorizer{t}, err
}

func (a *authorizer) shutdown(context.Context) error {
	a.telemetry.Shutdown()
	return nil
}

func (a *authorizer) refuse(ctx context.Context, reason, text string) error {
	a.telemetry.ProcessorKeyAuthorizerRefusedRequests.Add(context.WithoutCancel(ctx), 1, metric.WithAttributes(attribute.String("reason", reason)))
	return status.Error(codes.PermissionDenied, text)
}

// check returns an error with PERMISSION_DENIED if the client's key does not allow the signal, or the service of one of the resources: a
// request that mixes services is refused whole, because a client has one service or the wrong key. Clients without a key, and keys without
// limits, pass. If a resource names another tenant than the key's, and the key may not forward, check overwrites it.
func check[R any](ctx context.Context, a *authorizer, signal string, resources iter.Seq2[int, R], of func(R) pcommon.Resource) error {
	signals, services := limits(ctx)
	if len(signals) > 0 && !slices.Contains(signals, signal) {
		return a.refuse(ctx, "signal", "the API key is not for "+signal)
	}
	for _, r := range resources {
		if len(services) == 0 {
			break
		}
		name := ""
		if v, ok := of(r).Attributes().Get("service.name"); ok {
			name = v.AsString()
		}
		if !slices.Contains(services, name) {
			return a.refuse(ctx, "service", "the API key is not for this service.name")
		}
	}
	own, one := onlyTenant(ctx)
	for _, r := range resources {
		if !one {
			break
		}
		if v, ok := of(r).Attributes().Get(tenant.Attribute); ok && v.AsString() != own {
			v.SetStr(own)
			a.telemetry.ProcessorKeyAuthorizerOverwrittenTenants.Add(context.WithoutCancel(ctx), 1)
		}
	}
	return nil
}

// onlyTenant is the only tenant for which the client may send; ok is false if it may name any.
func onlyTenant(ctx context.Context) (name string, ok bool) {
	c := access.Of(ctx)
	return c.Own(), !c.Open && !c.May(access.Forward) && c.Own() != ""
}

// limits returns the limits that the authenticator has for the client's key.
func limits(ctx context.Context) (signals, services []string) {
	auth := client.FromContext(ctx).Auth
	if auth == nil {
		return nil, nil
	}
	signals, _ = auth.GetAttribute("signals").([]string)
	services, _ = auth.GetAttribute("services").([]string)
	return signals, services
}
