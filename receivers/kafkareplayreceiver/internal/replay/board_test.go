package replay_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
)

func made(id string) replay.Entry {
	return replay.Entry{ID: id, Job: &replay.Job{Spec: replay.Spec{ID: id}, Want: replay.Run, Status: replay.Status{Phase: replay.Waiting}}}
}

func status(id string, p replay.Phase) replay.Entry {
	return replay.Entry{ID: id, Status: &replay.Status{Phase: p, Instance: "a"}}
}

func want(id string, w replay.Want) replay.Entry { return replay.Entry{ID: id, By: "me", Want: w} }

func TestWhatMakesNoSenseChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		entries []replay.Entry
		want    replay.Want
		phase   replay.Phase
	}{
		"a second job of the same name":     {[]replay.Entry{made("j"), status("j", replay.Running), made("j")}, replay.Run, replay.Running},
		"resume after cancel":               {[]replay.Entry{made("j"), want("j", replay.Cancel), want("j", replay.Run)}, replay.Cancel, replay.Waiting},
		"pause after the end":               {[]replay.Entry{made("j"), status("j", replay.Done), want("j", replay.Pause)}, replay.Run, replay.Done},
		"a late status of another leader":   {[]replay.Entry{made("j"), status("j", replay.Done), status("j", replay.Running)}, replay.Run, replay.Done},
		"delete after the end":              {[]replay.Entry{made("j"), status("j", replay.Done), want("j", replay.Delete)}, replay.Delete, replay.Done},
		"nothing takes a deletion back":     {[]replay.Entry{made("j"), want("j", replay.Delete), want("j", replay.Cancel)}, replay.Delete, replay.Waiting},
		"what is said of jobs that are not": {[]replay.Entry{want("k", replay.Pause), status("k", replay.Done), {ID: "k", Gone: true}, made("j")}, replay.Run, replay.Waiting},
	} {
		var b replay.Board
		for _, e := range c.entries {
			b.Apply(e)
		}
		require.Len(t, b.Jobs(), 1, name)
		assert.Equal(t, c.want, b.Job("j").Want, name)
		assert.Equal(t, c.phase, b.Job("j").Status.Phase, name)
	}
}

func TestGoneIsGone(t *testing.T) {
	var b replay.Board
	for _, e := range []replay.Entry{made("j"), {ID: "j", Gone: true}} {
		b.Apply(e)
	}
	assert.Empty(t, b.Jobs())
}

func TestTheBoardIsBounded(t *testing.T) {
	var b replay.Board
	b.Apply(made("open"))
	for i := range 1500 {
		id := fmt.Sprint("j", i)
		b.Apply(made(id))
		b.Apply(status(id, replay.Done))
	}
	assert.LessOrEqual(t, len(b.Jobs()), 1002)
	assert.NotNil(t, b.Job("open"), "what has not ended is not forgotten")
	assert.NotNil(t, b.Job("j1499"))
	for range 200 {
		b.Apply(want("open", replay.Pause))
	}
	assert.LessOrEqual(t, len(b.Job("open").History), 50)
}

func TestProgress(t *testing.T) {
	s := replay.Status{Phase: replay.Running, OffsetsPerSecond: 10, Partitions: []replay.Progress{{First: 100, Next: 150, End: 200}, {First: 0, Next: 0, End: 100}}}
	all, done := s.Total()
	assert.EqualValues(t, 200, all)
	assert.EqualValues(t, 50, done)
	assert.Equal(t, 15*time.Second, s.Remaining())
}
