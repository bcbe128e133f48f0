package lakestore_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/penstockhq/penstock/internal/lakestore"
)

func ExampleDir() {
	root, err := os.MkdirTemp("", "lake")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(root) }()
	d, _, err := lakestore.Open(root)
	if err != nil {
		panic(err)
	}
	hour := time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC)
	w, err := d.Write(context.Background(), lakestore.PartitionDir("logs", hour, "team a"), "", func(w io.Writer) error {
		_, err := io.WriteString(w, "content")
		return err
	})
	fmt.Println(w.Path, w.Bytes, err)
	fmt.Println(d.Close())
	// Output:
	// logs/date=2026-11-24/hour=07/tenant=team%20a/ed7002b439e9ac845f22357d822bac14.parquet 7 <nil>
	// <nil>
}
