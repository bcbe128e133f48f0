package simulation_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/delivery/simulation"
)

// lake is a model of an exporter that writes files named by range. At the sink a file is a sample: its name is the series, the sum of
// its rows the value, so that a file which is written again replaces itself.
type lake struct {
	next       consumer.Metrics
	configured int // how many directories the rows of a range go to
	wrong      mistake
}

func (l *lake) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (l *lake) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	session, _ := delivery.From(ctx)
	rules, err := delivery.Join(session, "lake", func() *delivery.Rules[int] { return delivery.NewRules(l.configured) })
	if err != nil {
		return err
	}
	directories := rules.InForce()
	if l.wrong == layoutAtOnce {
		directories = l.configured
	}
	part := delivery.Of(ctx).Part
	generation := session.Generation()
	if l.wrong == generationUnnamed {
		generation = 0
	}
	files := map[string]int64{}
	simulation.EachPoint(md, func(_ pmetric.Metric, p pmetric.NumberDataPoint) {
		files[fmt.Sprintf("%d of %d/%d/%v", p.IntValue()%int64(directories), directories, generation, part)] += p.IntValue()
	})
	if len(files) > 0 && part == nil {
		return fmt.Errorf("%w: a range without a name", simulation.ErrViolation)
	}
	var written []point
	for _, name := range slices.Sorted(maps.Keys(files)) {
		written = append(written, point{name, "", time.Unix(0, 0), files[name]})
	}
	return send(ctx, l.next, written)
}
