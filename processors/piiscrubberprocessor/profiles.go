package piiscrubberprocessor

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/xconsumer"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/processor/xprocessor"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/scrub"
)

// profiles is the processor of a profiles pipeline; processorhelper has no stable one yet.
type profiles struct {
	scrubber *scrubber
	next     xconsumer.Profiles
}

var _ xprocessor.Profiles = (*profiles)(nil)

func (p *profiles) Start(ctx context.Context, host component.Host) error {
	return p.scrubber.start(ctx, host)
}

func (p *profiles) Shutdown(ctx context.Context) error { return p.scrubber.shutdown(ctx) }

func (p *profiles) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: true}
}

// ConsumeProfiles scrubs resources, scopes, and the dictionary, which contains each attribute and each text of the batch once. Values in
// it are protected for the tenant of the first resource.
func (p *profiles) ConsumeProfiles(ctx context.Context, pd pprofile.Profiles) error {
	s := p.scrubber
	err := s.pass(ctx, signalProfiles, func(b *scrub.Batch) {
		for i := pd.ResourceProfiles().Len() - 1; i >= 0; i-- {
			rp := pd.ResourceProfiles().At(i)
			s.resource(ctx, b, rp.Resource())
			s.schema(b, rp, s.cfg.Places.Resource)
			for _, sp := range rp.ScopeProfiles().All() {
				s.scope(b, sp.Scope())
				s.schema(b, sp, s.cfg.Places.Scope)
			}
		}
		texts := pd.Dictionary().StringTable()
		if s.cfg.Places.Attributes {
			for _, kv := range pd.Dictionary().AttributeTable().All() {
				key := ""
				if k := int(kv.KeyStrindex()); k < texts.Len() {
					key = texts.At(k)
				}
				b.Attribute("attributes", key, kv.Value())
			}
		}
		if s.cfg.Places.Descriptions {
			for i := range texts.Len() {
				replace(b, "strings", texts.At(i), func(v string) { texts.SetAt(i, v) })
			}
		}
	})
	if err != nil {
		return err
	}
	return p.next.ConsumeProfiles(ctx, pd)
}
