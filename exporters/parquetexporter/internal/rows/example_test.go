package rows_test

import (
	"bytes"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
)

func ExampleLogs() {
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	records.AppendEmpty().SetTimestamp(1_790_000_000_000_000_000)
	records.AppendEmpty().SetTimestamp(1_790_003_600_000_000_000)
	records.AppendEmpty() // without a time

	e := rows.NewLogs()
	plan := e.Split(ld, "acme", 256)
	for _, p := range plan.Partitions {
		var file bytes.Buffer
		err := e.Write(&file, p)
		fmt.Println(p.Tenant, p.Hour.Format("2006-01-02 15h"), p.Rows, err, file.String()[:4])
	}
	fmt.Println("implausible:", plan.Implausible)
	e.Release()
	// Output:
	// acme 1970-01-01 00h 1 <nil> PAR1
	// acme 2026-09-21 14h 1 <nil> PAR1
	// acme 2026-09-21 15h 1 <nil> PAR1
	// implausible: 1
}
