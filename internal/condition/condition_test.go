package condition_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/penstockhq/penstock/internal/condition"
)

type host struct {
	component.Host
	said []string
}

func (h *host) Report(e *componentstatus.Event) {
	text := e.Status().String()
	if e.Err() != nil {
		text += ": " + e.Err().Error()
	}
	h.said = append(h.said, text)
}

func TestTheStatusIsGoodWhenTheLastReasonIsGone(t *testing.T) {
	h := &host{Host: componenttest.NewNopHost()}
	s := condition.New(h)
	s.Good("sink")
	s.Bad("sink", "Loki does not answer")
	s.Bad("sink", "Loki does not answer")
	s.Bad("gap", "records were lost")
	s.Good("sink")
	s.Good("gap")
	s.Good("gap")
	assert.Equal(t, []string{
		"StatusRecoverableError: Loki does not answer",
		"StatusRecoverableError: records were lost\nLoki does not answer",
		"StatusRecoverableError: records were lost",
		"StatusOK",
	}, h.said)
	new(condition.Set).Bad("x", "nobody is told")
}
