package follow

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/journal"
	"github.com/penstockhq/penstock/internal/outage"
)

// checkKafka reports when Kafka is unreachable. Followers of one Kafka share the log lines.
func (f *follower) checkKafka(err error) {
	now, brokers := time.Now(), fmt.Sprint(f.cluster.Brokers)
	every := f.cfg.OutageAfter
	if err == nil {
		o, reported := f.kafka.Worked(now)
		if o.Since.IsZero() {
			return
		}
		f.status.Good(keyKafka)
		if reported && f.roster.lines.Allow("back "+brokers, now, every) {
			f.set.Logger.Error("The journal can be followed again", zap.Strings("brokers", f.cluster.Brokers), zap.Duration("away", o.Lasted.Round(time.Second)))
		}
		return
	}
	f.kafka.Failed(now, err)
	if o, bad := f.kafka.Now(now, outage.Grace); bad {
		f.status.Bad(keyKafka, fmt.Sprintf("the journal can't be followed: %v", o.Cause))
	}
	if o, due := f.kafka.Due(now); due && f.roster.lines.Allow("away "+brokers, now, every) {
		f.set.Logger.Error("The journal has not been followed for "+journal.Ago(o.Lasted)+". Nothing is lost: look at the brokers, the network and the key brokers",
			zap.Strings("brokers", f.cluster.Brokers), zap.Duration("away", o.Lasted.Round(time.Second)), zap.Error(o.Cause))
	}
}
