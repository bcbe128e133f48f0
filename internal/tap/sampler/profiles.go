package sampler

import (
	"context"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pprofile"
)

type profiles struct{ pprofile.Profiles }

func (b profiles) resources() int { return b.ResourceProfiles().Len() }

func (b profiles) of(i int) (r pcommon.Resource, n int) {
	rp := b.ResourceProfiles().At(i)
	for _, sp := range rp.ScopeProfiles().All() {
		n += sp.Profiles().Len()
	}
	return rp.Resource(), n
}

// take leaves the dictionary alone, which belongs to the whole batch and may be large. The resource travels as a batch of logs without
// records, so that a scrubber needs to know nothing more.
func (b profiles) take(resource, k int) one {
	rp := b.ResourceProfiles().At(resource)
	if sizeOf(rp.Resource().Attributes()) > maxCopied {
		return nil
	}
	for _, sp := range rp.ScopeProfiles().All() {
		if k >= sp.Profiles().Len() {
			k -= sp.Profiles().Len()
			continue
		}
		p := sp.Profiles().At(k)
		out := profile{Logs: plog.NewLogs(), time: stamp(p.Time()), nanoseconds: p.DurationNano(), samples: p.Samples().Len()}
		rp.Resource().CopyTo(out.ResourceLogs().AppendEmpty().Resource())
		return out
	}
	return nil
}

type profile struct {
	plog.Logs
	time        string
	nanoseconds uint64
	samples     int
}

func (o profile) scrub(ctx context.Context, with Scrubber) error { return with.ScrubLogs(ctx, o.Logs) }

// shownProfile is a profile as it is shown.
type shownProfile struct {
	Time         string         `json:"time,omitempty"`
	Milliseconds float64        `json:"duration_ms"`
	Samples      int            `json:"samples"`
	Resource     map[string]any `json:"resource,omitempty"`
}

func (o profile) render(w *form) any {
	return shownProfile{o.time, float64(o.nanoseconds) / 1e6, o.samples, w.fields(o.ResourceLogs().At(0).Resource().Attributes(), 0)}
}
