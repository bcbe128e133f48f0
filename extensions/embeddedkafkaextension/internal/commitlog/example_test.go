package commitlog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

func Example() {
	directory, err := os.MkdirTemp("", "log")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(directory)
	log, _, err := commitlog.OpenPartition(commitlog.Settings{FS: disk.OS{}, Directory: filepath.Join(directory, "t-0"), SegmentBytes: 1 << 20, Now: time.Now})
	if err != nil {
		panic(err)
	}
	raw := commitlog.Payload([]byte("kept"), 1000)
	batch, err := commitlog.Parse(raw)
	if err != nil {
		panic(err)
	}
	ticket := log.Enqueue(raw, batch)
	for log.Commit() { // One flush for all that is enqueued.
	}
	<-ticket.Done()
	read, err := log.Read(ticket.Offset, 1<<20, false)
	if err != nil {
		panic(err)
	}
	fmt.Println(ticket.Offset, string(commitlog.PayloadOf(read.Batches)), log.Close())
	// Output: 0 kept <nil>
}
