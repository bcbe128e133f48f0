package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/datapoint"
	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/journal/cluster"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/audit"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/jobs/source"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/selection"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/target"
)

// maxServices bounds the services whose series are determined to replace them.
const maxServices = 500

// replace deletes in the targets what the run will write, and returns the selectors.
func (r *run) replace(ctx context.Context) ([]string, error) {
	targets := r.m.Targets.For(r.job.Spec.Signal)
	if r.job.Tenant != "" && !target.KeepsTenants(targets) {
		return nil, fmt.Errorf("replace: %w: a target has no tenant_label, and the job is a tenant's", target.ErrCannotReplace)
	}
	match := r.job.Spec.Replace.Match
	if len(match) == 0 {
		var err error
		if match, err = r.services(ctx); err != nil {
			return nil, fmt.Errorf("replace: %w", err)
		}
	}
	for _, t := range targets {
		own, err := r.confined(t, match)
		if err != nil {
			return nil, fmt.Errorf("replace: %w: %w", target.ErrCannotReplace, err)
		}
		err = t.CanReplace(ctx, r.job.Range.From, r.job.Range.To)
		if err == nil && len(own) > 0 {
			err = t.Replace(ctx, own, r.job.Range.From, r.job.Range.To, r.log.Confirm)
		}
		if err != nil && !errors.Is(err, target.ErrLeft) && !errors.Is(err, target.ErrCannotReplace) {
			err = fmt.Errorf("%w: %w", errLater, err) // Some series may be deleted already: aborting would leave a hole.
		}
		if err != nil {
			return nil, fmt.Errorf("replace: %w", err)
		}
		audit.Job(r.m.Telemetry.Logger, "replace", r.job.Spec.ID, r.m.Instance, nil)
	}
	if match == nil {
		match = []string{}
	}
	return match, nil
}

// confined returns selectors of the series of only the job's tenants, if the target separates them.
func (r *run) confined(t target.Target, match []string) ([]string, error) {
	if p, ok := t.(*target.Prometheus); ok {
		return p.Confine(match, r.job.Spec.Tenants)
	}
	return match, nil
}

// services reads the range and returns selectors of the series of all its services. A service of which the job replays only a part is an
// error: all its series would be deleted.
func (r *run) services(ctx context.Context) ([]string, error) {
	wanted, other := map[string]bool{}, map[string]bool{}
	all := selection.Records{From: r.src.Records.From, To: r.src.Records.To}
	if target.KeepsTenants(r.m.Targets.For(r.job.Spec.Signal)) { // Only these tenants' series are deleted.
		all.Tenants = r.job.Spec.Tenants
	}
	within := selection.NewItems(selection.ItemSettings{Within: r.job.Range.Contains})
	for _, p := range r.parts {
		var failed error
		err := cluster.Scan(ctx, r.m.Admin, r.src.Topic, p.span.Partition, p.span.First, p.span.Next, func(k *kgo.Record) bool {
			record, err := journal.FromKafka(k)
			if err != nil || !source.Match(&all, &record, k) {
				return true
			}
			request, _, err := r.src.Entry.Decode(k.Value)
			if err != nil {
				return true
			}
			md := request.(pmetric.Metrics)
			within.Apply(ctx, md)
			points := map[string]int{}
			jobsIn(md, points)
			kept := map[string]int{}
			if source.Match(&r.src.Records, &record, k) {
				r.src.Items.Apply(ctx, md)
				jobsIn(md, kept)
			}
			for service, n := range points {
				if kept[service] > 0 {
					wanted[service] = true
				}
				if kept[service] < n {
					other[service] = true
				}
			}
			if len(wanted) > maxServices {
				failed = fmt.Errorf("more than %d services: name the series with replace.match", maxServices)
			}
			return failed == nil
		})
		if failed != nil {
			return nil, failed
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errLater, err)
		}
	}
	var match []string
	for _, service := range slices.Sorted(maps.Keys(wanted)) {
		if other[service] {
			return nil, fmt.Errorf("the job replays only a part of service %q, but all its series would be deleted: name the series with replace.match", service)
		}
		if service == "" {
			return nil, errors.New("there are metrics without service.name: name the series with replace.match")
		}
		match = append(match, "{job="+strconv.Quote(service)+"}")
	}
	return match, nil
}

// jobsIn counts data points by their Prometheus job label: service.namespace/service.name.
func jobsIn(md pmetric.Metrics, points map[string]int) {
	for _, rm := range md.ResourceMetrics().All() {
		n := 0
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				n += datapoint.Count(m)
			}
		}
		if n == 0 {
			continue
		}
		name := textOf("service.name", rm.Resource().Attributes())
		if namespace := textOf("service.namespace", rm.Resource().Attributes()); namespace != "" && name != "" {
			name = namespace + "/" + name
		}
		points[name] += n
	}
}

func textOf(key string, of pcommon.Map) string {
	v, ok := of.Get(key)
	if !ok {
		return ""
	}
	return v.AsString()
}
