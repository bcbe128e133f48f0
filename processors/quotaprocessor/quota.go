package quotaprocessor

import (
	"context"
	"errors"
	"iter"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/penstockhq/penstock/internal/quota/door"
	"github.com/penstockhq/penstock/internal/streamkey"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/internal/usage"
	"github.com/penstockhq/penstock/processors/quotaprocessor/internal/metadata"
)

// quota charges each request through the extension `quota`. It is safe for concurrent use.
type quota struct {
	cfg       *Config
	signal    string
	telemetry *metadata.TelemetryBuilder
	door      door.Door  // set by Start
	usage     usage.Sink // set by Start
}

func newQuota(cfg *Config, set processor.Settings, signal string) (*quota, error) {
	t, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	return &quota{cfg: cfg, signal: signal, telemetry: t}, err
}

// Start looks for the extension. Without one, everything passes.
func (q *quota) Start(_ context.Context, host component.Host) error {
	q.door, q.usage = door.Find(host), usage.Find(host)
	return nil
}

// Shutdown ends the telemetry. It may be repeated.
func (q *quota) Shutdown(context.Context) error {
	q.telemetry.Shutdown()
	return nil
}

// Capabilities says that the data is not changed.
func (q *quota) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// charge passes a request to next if its quotas allow it, and refunds the request if next fails.
func (q *quota) charge(ctx context.Context, parts []door.Part, size func() int, next func() error) error {
	undo, err := q.door.Parts(ctx, parts, size)
	if err == nil {
		bytes := 0
		if q.cfg.Usage { // next owns the request
			bytes = size()
		}
		if err = next(); err != nil {
			undo()
		} else if q.cfg.Usage {
			q.count(parts, bytes)
		}
		return err
	}
	var refused *door.Error
	if q.cfg.OnLimit != onLimitDrop || !errors.As(err, &refused) {
		return err
	}
	items := 0
	for _, p := range parts {
		items += p.Items
	}
	q.telemetry.ProcessorQuotaDroppedItems.Add(context.WithoutCancel(ctx), int64(items), metric.WithAttributes(
		attribute.String("reason", string(refused.Reason)), attribute.String("signal", q.signal)))
	return nil
}

// count reports an accepted request to the ledger. The bytes of a request are divided among its parts by their items.
func (q *quota) count(parts []door.Part, bytes int) {
	items := 0
	for _, p := range parts {
		items += p.Items
	}
	for _, p := range parts {
		share := int(float64(bytes) * (float64(p.Items) / float64(items)))
		if p.Items == items {
			share = bytes // The last part gets the remainder, so the sum is exact.
		}
		q.usage.Use(usage.Key{Tenant: p.Tenant, Service: p.Service, Signal: q.signal}, usage.Sum{Items: int64(p.Items), Bytes: int64(share)})
		items, bytes = items-p.Items, bytes-share
	}
}

// partsOf counts the items of each tenant and service. Requests have few of them, mostly one. streams says whether resources are streams.
func partsOf[R any](ctx context.Context, resources iter.Seq2[int, R], of func(R) pcommon.Resource, count func(R) int, streams bool) []door.Part {
	fromClient, _ := tenant.Client(ctx)
	var parts []door.Part
	var at map[[2]string]int // from the second part on
	for _, r := range resources {
		n := count(r)
		if n == 0 {
			continue
		}
		p := partOf(fromClient, of(r).Attributes())
		i, found := len(parts)-1, false
		if i >= 0 && parts[i].Tenant == p.Tenant && parts[i].Service == p.Service {
			found = true
		} else if i >= 0 {
			if at == nil {
				at = map[[2]string]int{{parts[0].Tenant, parts[0].Service}: 0}
			}
			i, found = at[[2]string{p.Tenant, p.Service}]
		}
		if !found {
			i = len(parts)
			parts = append(parts, p)
			if at != nil {
				at[[2]string{p.Tenant, p.Service}] = i
			}
		}
		parts[i].Items += n
	}
	if !streams {
		return parts
	}
	// Few tenants have a limit of streams; only then are resources read again, once.
	var all [][]uint64
	hash := func() {
		all = make([][]uint64, len(parts))
		for _, r := range resources {
			attributes := of(r).Attributes()
			p := partOf(fromClient, attributes)
			if i := at[[2]string{p.Tenant, p.Service}]; count(r) > 0 { // 0 if there is one part
				all[i] = append(all[i], streamkey.Attributes(attributes).Lo)
			}
		}
	}
	for i := range parts {
		parts[i].Streams = func() []uint64 {
			if all == nil {
				hash()
			}
			return all[i]
		}
	}
	return parts
}

// partOf names the tenant and the service of a resource.
func partOf(fromClient string, attributes pcommon.Map) (p door.Part) {
	p.Tenant, _ = tenant.Of(fromClient, attributes)
	if v, ok := attributes.Get("service.name"); ok {
		p.Service = v.AsString()
	}
	return p
}
