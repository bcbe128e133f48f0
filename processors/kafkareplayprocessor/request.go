package kafkareplayprocessor

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/partial"
	"github.com/penstockhq/penstock/internal/tenant"
)

const (
	badTenant = "tenant" // the reason
	logEvery  = time.Minute
)

// request is one client's request to be written to the journal.
type request struct {
	signal  journal.Signal
	tenant  string // from client metadata, or empty
	encoded []byte
	sources []journal.Source // of its resources, in order
	items   int              // to be written
	refused int              // those whose resource has an invalid tenant name
	why     error            // error of one of the refused
}

// receive begins a request of so many items. An invalid tenant name in client metadata refuses the whole request.
func (a *appender) receive(ctx context.Context, items int) (*request, error) {
	name, err := tenant.Client(ctx)
	if err != nil {
		a.telemetry.ProcessorKafkaReplayRefusedItems.Add(ctx, int64(items), a.reason(badTenant))
		return nil, status.Error(codes.InvalidArgument, fmt.Sprintf("%s: %v", tenant.MetadataKey, err))
	}
	return &request{signal: a.signal, tenant: name, items: items}, nil
}

// add adds the next resource; items counts its items, and is called only if the resource has an invalid tenant name.
func (r *request) add(attrs pcommon.Map, items func() int) {
	source, err := journal.SourceOf(r.signal, r.tenant, attrs)
	r.sources = append(r.sources, source)
	if err != nil {
		n := items()
		r.items, r.refused, r.why = r.items-n, r.refused+n, err
	}
}

// countRefused counts the refused items of r. The error is for a client whose items were all refused.
func (a *appender) countRefused(ctx context.Context, r *request) error {
	if r.refused == 0 {
		return nil
	}
	a.telemetry.ProcessorKafkaReplayRefusedItems.Add(ctx, int64(r.refused), a.reason(badTenant))
	if a.lines.Allow(badTenant, time.Now(), logEvery) {
		a.set.Logger.Warn("Items were refused: the resource attribute "+tenant.Attribute+" is not a valid tenant name; logged at most once a minute",
			zap.Int("refused", r.refused), zap.Int("taken", r.items), zap.Error(r.why))
	}
	why := fmt.Sprintf("resource attribute %s: %v", tenant.Attribute, r.why)
	if r.items > 0 {
		partial.Reject(ctx, r.refused, why)
		return nil
	}
	return status.Error(codes.InvalidArgument, why)
}
