package broker_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/broker"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

// lazyDisk flushes nothing, to make a large log quickly.
type lazyDisk struct{ disk.OS }

type lazyFile struct{ disk.File }

func (lazyFile) Sync() error { return nil }

func (lazyDisk) SyncDirectory(string) error { return nil }

func (d lazyDisk) Open(name string, create bool) (disk.File, error) {
	f, err := d.OS.Open(name, create)
	return lazyFile{f}, err
}

// BenchmarkStart starts a broker with 10 GiB of journal, whose process was killed, and reports the allocated memory, including freed memory. It
// needs as much disk.
func BenchmarkStart(b *testing.B) {
	set := broker.Settings{Address: "127.0.0.1:0", Directory: b.TempDir(), MaxBytes: 20 << 30, SegmentBytes: 16 << 20, TrimInterval: time.Hour, FS: lazyDisk{}}
	r, err := broker.Open(set)
	if err != nil {
		b.Fatal(err)
	}
	c, err := kgoClient(r.Address())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := kadm.NewClient(c).CreateTopic(b.Context(), 1, 1, nil, topic); err != nil {
		b.Fatal(err)
	}
	c.Close()
	if err := r.Abandon(); err != nil {
		b.Fatal(err)
	}
	fill10GiB(b, filepath.Join(set.Directory, "partitions", topic+"-0"))
	set.FS = nil
	runtime.GC()
	b.ResetTimer()
	for range b.N {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := broker.Open(set)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/(1<<20), "MiB-allocated")
		if err := r.Abandon(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func fill10GiB(b *testing.B, directory string) {
	b.Helper()
	log, _, err := commitlog.OpenPartition(commitlog.Settings{FS: lazyDisk{}, Directory: directory, SegmentBytes: 16 << 20, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	payload := randomBytes(5 << 10)
	for written := 0; written < 10<<30; {
		for range 100 {
			raw := commitlog.Payload(payload, time.Now().UnixMilli())
			batch, err := commitlog.Parse(raw)
			if err != nil {
				b.Fatal(err)
			}
			log.Enqueue(raw, batch)
			written += len(raw)
		}
		for log.Commit() {
		}
	}
	log.Abandon()
	if entries, err := os.ReadDir(directory); err == nil {
		b.Logf("%d files", len(entries))
	}
}
