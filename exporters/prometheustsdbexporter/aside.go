package prometheustsdbexporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/remotewrite"
	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/patience"
)

const reasonPatience = "tenant_patience"

// pushPatiently sends the metrics of one tenant, or sets them aside if the receiver has refused the tenant for too long.
func (e *tsdbExporter) pushPatiently(ctx context.Context, tenant string, md pmetric.Metrics) error {
	began, aside, remote := time.Now(), delivery.Of(ctx).Aside, e.remote()
	if aside == nil || remote == nil || e.cfg.TenantHeader == "" {
		return e.pushTenant(ctx, tenant, md)
	}
	_, job := delivery.Of(ctx).Source().Job() // The user who created the job may know that the receiver accepts the tenant again.
	if !job && e.patience.Aside(tenant, began) {
		return e.keep(ctx, aside, tenant, md, "the receiver has refused the tenant for longer than tenant_patience")
	}
	err := e.pushTenant(ctx, tenant, md)
	var refused *remotewrite.RetryError
	if !errors.As(err, &refused) || refused.Status == 0 {
		return err
	}
	give, now := e.patience.Refused(ctx, patience.Refusal{Tenant: tenant, Began: began, Waiting: aside.Waiting,
		Ask: func(ctx context.Context, other string) bool { return remote.takes(ctx, e.header(other)) }}, time.Now())
	if now {
		e.set.Logger.Error(fmt.Sprintf("The receiver has refused a tenant for %s but accepts others. The tenant's metrics go to the dead letter until it accepts "+
			"some; replay them from there", e.cfg.TenantPatience), zap.String("tenant", tenant), zap.Error(err))
	}
	if !give {
		return err
	}
	return e.keep(ctx, aside, tenant, md, err.Error())
}

// keep writes metrics to the dead letter. After an error they are delivered again.
func (e *tsdbExporter) keep(ctx context.Context, aside delivery.Aside, tenant string, md pmetric.Metrics, cause string) error {
	request, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(md)
	if err == nil {
		err = aside.Keep(ctx, delivery.Letter{By: e.set.ID.String(), Reason: reasonPatience, Cause: cause, Tenant: tenant, Request: request})
	}
	if err != nil {
		return fmt.Errorf("write the refused metrics of tenant %q to the dead letter: %w", tenant, err)
	}
	e.refuse(ctx, reasonPatience, md.DataPointCount())
	e.take(ctx, md.DataPointCount())
	return nil
}

// taken notes that the receiver has accepted samples of tenant.
func (e *tsdbExporter) taken(tenant string) {
	if e.patience.Taken(tenant, time.Now()) {
		e.set.Logger.Error("The receiver accepts the metrics of a tenant again", zap.String("tenant", tenant))
	}
}

// header returns the header with the tenant; nil if the receiver has no tenants.
func (e *tsdbExporter) header(tenant string) http.Header {
	if e.cfg.TenantHeader == "" {
		return nil
	}
	return http.Header{http.CanonicalHeaderKey(e.cfg.TenantHeader): {tenant}}
}

// remote returns the sink if it writes over HTTP, else nil.
func (e *tsdbExporter) remote() *remoteSink {
	s, _ := e.sink.(*remoteSink)
	return s
}
