package lentlogs_test

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/lentlogs"
)

func Example() {
	ld := plog.NewLogs()
	lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	lr.SetTimestamp(pcommon.Timestamp(1700000000_000000000))
	lr.Body().SetStr("payment accepted")
	request, _ := (&plog.ProtoMarshaler{}).MarshalLogs(ld) // never an error

	ok := lentlogs.Check(request, func(at, _ uint64) { fmt.Println(time.Unix(0, int64(at)).UTC()) })
	decoded, _ := lentlogs.Decode(request)
	fmt.Println(ok, decoded.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Str())
	// Output:
	// 2023-11-14 22:13:20 +0000 UTC
	// true payment accepted
}
