package iceberg

import (
	"context"
	"errors"
	"strings"
)

// collect removes what is in the listing and next does not refer to. The listing is older than next, and older than any version that is made of next. So
// what it has belongs to next, to an older version, or to a commit that started from an older version: that commit can't succeed any more, because
// next has the number that it needs.
func (t *Table) collect(ctx context.Context, listing []Object, next *Version) (removed int, err error) {
	needed, err := t.references(ctx, next)
	if err != nil {
		return 0, err
	}
	for _, o := range listing {
		if _, ok := needed[o.Name]; ok || !strings.HasPrefix(o.Name, t.dir+"/") {
			continue
		}
		if e := t.s.Store.Remove(ctx, o.Name); e != nil {
			err = errors.Join(err, e)
			continue
		}
		removed++
	}
	return removed, err
}

// references are the files that a version needs: itself, the ones before it, and what its snapshots consist of.
func (t *Table) references(ctx context.Context, v *Version) (map[string]struct{}, error) {
	needed := map[string]struct{}{v.Name: {}}
	add := func(uri string) error {
		name, err := t.name(uri)
		needed[name] = struct{}{}
		return err
	}
	var err error
	for _, l := range v.meta.MetadataLog {
		if name, e := t.name(l.File); e == nil { // of the place where the lake was once: nothing that we need
			needed[name] = struct{}{}
		}
	}
	lists := map[string][]Manifest{}
	for _, s := range v.meta.Snapshots {
		manifests := v.manifests
		if s.ID != *v.meta.CurrentSnapshotID {
			if manifests, err = t.list(ctx, s.ManifestList); err != nil {
				return nil, err
			}
		}
		lists[s.ManifestList] = manifests
		err = errors.Join(err, add(s.ManifestList))
		for _, m := range manifests {
			err = errors.Join(err, add(m.Path))
		}
	}
	t.lists = lists
	for _, known := range append([]string(nil), t.manifests.order...) {
		name, _ := t.name(known)
		if _, ok := needed[name]; !ok {
			t.manifests.drop(known)
		}
	}
	return needed, err
}
