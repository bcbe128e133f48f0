package iceberg

import (
	"context"
	"math/bits"
	"slices"
)

const (
	// fan is how many manifests of about one size are merged. So each file is written into log_fan(maxMerged) manifests, some four, and there are
	// at most fan manifests of each of as many sizes, beside the full ones.
	fan = 8
	// maxMerged is the number of files from which on a manifest is full.
	maxMerged = 4096
)

// tier is the size of a manifest in powers of fan.
func tier(m Manifest) int { return (bits.Len(uint(m.live())) - 1) / 3 }

// merge makes one manifest of those of a spec that have about one size, where there are enough of them. The others are returned.
func (c *commit) merge(ctx context.Context, all []Manifest) (kept []Manifest, err error) {
	type kind struct {
		spec int32
		tier int
	}
	groups := map[kind][]Manifest{}
	for _, m := range all {
		if m.live() < maxMerged {
			k := kind{m.SpecID, tier(m)}
			groups[k] = append(groups[k], m)
		}
	}
	merged := map[string]struct{}{}
	for k, group := range groups {
		if len(group) < fan {
			continue
		}
		var entries []Entry
		for _, m := range group {
			of, err := c.t.entries(ctx, m)
			if err != nil {
				return nil, err
			}
			for _, e := range of {
				if e.Status != deleted {
					e.Status = existing
					entries = append(entries, e)
				}
			}
			merged[m.Path] = struct{}{}
		}
		slices.SortFunc(entries, byPartition)
		if err := c.put(ctx, entries, int(k.spec)); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(m Manifest) bool { _, ok := merged[m.Path]; return ok }), nil
}
