package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

// Check returns what the next start would find damaged or missing in a directory, and what it would do. It changes nothing and reads every record.
// No broker may have the directory open.
func Check(directory string) (found []commitlog.Finding, err error) {
	if _, err := (disk.OS{}).ReadDirectory(directory); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	b := newBroker(Settings{Directory: directory, MaxBytes: math.MaxInt64, SegmentBytes: 64 << 20, FS: disk.NewOverlay(disk.OS{}),
		Found: func(f commitlog.Finding) { found = append(found, f) }})
	defer func() {
		b.stop()
		b.wg.Wait()
		b.abandon()
	}()
	if err := b.load(); err != nil {
		return found, err
	}
	for _, t := range b.allTopics() {
		for i, p := range t.partitions {
			start, _, end := p.log.Range()
			for from := start; from < end; {
				read, err := p.log.Read(from, 1<<20, false)
				if err != nil {
					return found, fmt.Errorf("read %s-%d: %w", t.Name, i, err)
				}
				if len(read.Batches) == 0 {
					break
				}
				for raw := read.Batches; len(raw) > 0; {
					batch, err := commitlog.Parse(raw)
					if err != nil {
						return found, err
					}
					raw, from = raw[batch.Size:], batch.Next
				}
			}
		}
	}
	return found, b.Maintain()
}
