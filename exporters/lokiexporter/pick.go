package lokiexporter

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// pick copies the records for the next attempt. It keeps a time that was changed to distinguish equal records, because otherwise they
// would equal entries that Loki already has.
func pick(ld plog.Logs, again map[int32]int64) plog.Logs {
	out := plog.NewLogs()
	var position int32
	for _, rl := range ld.ResourceLogs().All() {
		var toResource plog.ResourceLogs
		hasResource := false
		for _, sl := range rl.ScopeLogs().All() {
			var toScope plog.ScopeLogs
			hasScope := false
			for _, lr := range sl.LogRecords().All() {
				nanos, ok := again[position]
				position++
				if !ok {
					continue
				}
				if !hasResource {
					hasResource = true
					toResource = out.ResourceLogs().AppendEmpty()
					rl.Resource().CopyTo(toResource.Resource())
					toResource.SetSchemaUrl(rl.SchemaUrl())
				}
				if !hasScope {
					hasScope = true
					toScope = toResource.ScopeLogs().AppendEmpty()
					sl.Scope().CopyTo(toScope.Scope())
					toScope.SetSchemaUrl(sl.SchemaUrl())
				}
				record := toScope.LogRecords().AppendEmpty()
				lr.CopyTo(record)
				if nanos != 0 {
					record.SetTimestamp(pcommon.Timestamp(nanos))
				}
			}
		}
	}
	return out
}
