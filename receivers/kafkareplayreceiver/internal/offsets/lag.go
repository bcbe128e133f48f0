package offsets

import (
	"context"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// MostLagging returns, of the groups with members whose names begin with prefix, the one with the largest lag, and its lag in records; an
// empty name if there is none.
func MostLagging(ctx context.Context, client *kgo.Client, prefix string) (group string, lag int64, err error) {
	adm := kadm.NewClient(client)
	listed, err := adm.ListGroups(ctx)
	if err != nil {
		return "", 0, err
	}
	var names []string
	for _, name := range listed.Groups() {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", 0, nil
	}
	lags, err := adm.Lag(ctx, names...)
	if err != nil {
		return "", 0, err
	}
	for name, l := range lags {
		if l.Error() == nil && len(l.Members) > 0 && l.Lag.Total() > lag {
			group, lag = name, l.Lag.Total()
		}
	}
	return group, lag, nil
}
