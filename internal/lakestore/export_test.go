package lakestore

import "github.com/penstockhq/penstock/internal/durable"

// OnSync calls each before a directory of d is fsynced; an error takes its place.
func (d *Dir) OnSync(each func(dir string) error) {
	d.syncDir = func(dir string) error {
		if err := each(dir); err != nil {
			return err
		}
		return durable.SyncDir(dir)
	}
}

// OnLink calls link instead of os.Link.
func (d *Dir) OnLink(link func(from, to string) error) { d.link = link }
