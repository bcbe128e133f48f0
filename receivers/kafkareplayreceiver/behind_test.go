package kafkareplayreceiver_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"

	kafkareplay "github.com/penstockhq/penstock/receivers/kafkareplayreceiver"
)

// knowing is a host whose admin extension knows the configuration.
type knowing struct {
	component.Component
	conf *confmap.Conf
}

func (k knowing) EffectiveConfig() *confmap.Conf { return k.conf }

func (k knowing) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("admin"): k}
}

// A job's pipelines are checked like a follower's.
func TestWhatAnswersTooEarlyRefusesTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		receiver map[string]any
		want     string
	}{
		"follow":             {map[string]any{"follow": map[string]any{"group": "g"}}, "add acme to follow::allow_behind"},
		"follow and allowed": {map[string]any{"follow": map[string]any{"group": "g", "allow_behind": []any{"acme"}}}, ""},
		"jobs":               {map[string]any{"jobs": map[string]any{}}, "add acme to jobs::allow_behind"},
		"jobs and allowed":   {map[string]any{"jobs": map[string]any{"allow_behind": []any{"acme"}}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			factory := kafkareplay.NewFactory()
			cfg := factory.CreateDefaultConfig().(*kafkareplay.Config)
			require.NoError(t, confmap.NewFromStringMap(c.receiver).Unmarshal(cfg))
			cfg.Kafka.Brokers = []string{"127.0.0.1:1"}
			require.NoError(t, confmap.Validate(cfg))
			set := receivertest.NewNopSettings(factory.Type())
			set.ID = component.MustNewID("kafka_replay")
			r, err := factory.CreateLogs(t.Context(), set, cfg, consumertest.NewNop())
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, r.Shutdown(context.Background())) })
			err = r.Start(t.Context(), knowing{conf: confmap.NewFromStringMap(map[string]any{
				"exporters": map[string]any{"nop": nil},
				"service": map[string]any{"pipelines": map[string]any{
					"logs": map[string]any{"receivers": []any{"kafka_replay"}, "processors": []any{"acme"}, "exporters": []any{"nop"}},
				}},
			})})
			if c.want == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, c.want)
			}
		})
	}
}
