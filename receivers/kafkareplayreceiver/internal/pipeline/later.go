package pipeline

import (
	"errors"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/lentlogs"
)

// laterLogs is an encoded request of log records that can be decoded. A range may wait half a minute for further records: decoded, those that it has take twice
// the memory, in objects that each garbage collection visits.
type laterLogs struct {
	request []byte
	hours   hours
}

// readLogs checks a request. ok is false if it can't be decoded here: see [lentlogs.Decode].
func readLogs(request []byte) (l *laterLogs, dedupable, ok bool) {
	l = &laterLogs{request: request}
	ok = lentlogs.Check(request, func(time, observed uint64) {
		dedupable = dedupable || observed != 0 || fineTime(pcommon.Timestamp(time))
		if time == 0 {
			time = observed
		}
		l.hours.add(pcommon.Timestamp(time))
	})
	return l, dedupable, ok
}

func (l *laterLogs) decode() (plog.Logs, error) {
	ld, ok := lentlogs.Decode(l.request)
	if !ok { // Somebody has changed the bytes.
		return ld, consumererror.NewPermanent(errors.New("a request that was checked can't be decoded"))
	}
	return ld, nil
}
