package delivery

import (
	"encoding/binary"
	"math"
	"time"
)

const (
	// maxClocks bounds the remembered clocks: those of producers that differ, and of one before and after a jump.
	maxClocks = 8
	// clockSteps divides the window: a step of the journal's time that is larger than one part of it is a jump, or a time without records.
	clockSteps = 10
	// maxSetBack is how far a clock can be set back so that points of the time before are not of the future.
	maxSetBack = 24 * time.Hour
	// clockMark begins the ids of the entries in which a checkpoint keeps the clocks. An older version reads such an entry as a record
	// that is never repeated.
	clockMark = "\xffclock\x00\x01"
)

// steady turns the journal's times into a time that does not jump, which measures the window of de-duplication. While the journal's time
// advances steadily, both are the same. A step of more than a tenth of the window, forward or back, says nothing about the elapsed time:
// the producer's clock jumped, another producer has another clock, or no records were sent. Such a step starts a clock with its own
// difference to the steady time. If the step was forward, the steady time advances by a tenth of the window, because records must leave
// the window some time even without new ones; if it was back, the steady time stays. A clock that jumps by an hour and back costs a tenth
// of the window, as do two producers whose clocks differ by an hour.
//
// The steady time depends only on the journal's times and their order, and never goes back. Copies are independent.
type steady struct {
	step   time.Duration
	now    time.Time
	clocks [maxClocks]producerClock // most recently used first
	known  int                      // number of clocks
}

// producerClock is a clock of the journal's producers.
type producerClock struct {
	latest time.Time     // its latest time in the journal
	ahead  time.Duration // difference to the steady time
}

// newSteady continues at now, the time in a checkpoint; clocks are those that differ from it.
func newSteady(window time.Duration, now time.Time, clocks []producerClock) steady {
	s := steady{step: window / clockSteps, now: now}
	if len(clocks) == 0 && now.After(time.Unix(0, 0)) {
		clocks = []producerClock{{latest: now}}
	}
	s.known = copy(s.clocks[:], clocks)
	return s
}

// at returns the steady time at the next time t of the journal.
func (s *steady) at(t time.Time) time.Time {
	if s.known == 0 {
		s.now, s.known, s.clocks[0] = t, 1, producerClock{latest: t}
		return s.now
	}
	i := 0
	for i < s.known && t.Sub(s.clocks[i].latest).Abs() > s.step {
		i++
	}
	c := producerClock{latest: t}
	if i < s.known {
		c = s.clocks[i]
		if t.After(c.latest) {
			c.latest = t
		}
		if now := c.latest.Add(-c.ahead); now.After(s.now) {
			s.now = now
		} else if s.now.Sub(now) > s.step { // It stood still while another went on.
			c.ahead = c.latest.Sub(s.now)
		}
	} else {
		if t.After(s.clocks[0].latest) {
			s.now = s.now.Add(s.step)
		}
		c.ahead = t.Sub(s.now)
		s.known = min(s.known+1, maxClocks)
		i = min(i, maxClocks-1)
	}
	copy(s.clocks[1:i+1], s.clocks[:i])
	s.clocks[0] = c
	return s.now
}

// notBefore returns t, a time of a producer's clock, or the steady time where that is later: the clock was set back. The steady time counts only up
// to what the remembered clocks show, because each unknown clock moves it ahead of them; and a clock that is ahead by more than a day was wrong
// before it was set back.
func (s *steady) notBefore(t time.Time) time.Time {
	ahead := time.Duration(math.MinInt64)
	for _, c := range s.clocks[:s.known] {
		ahead = max(ahead, c.ahead)
	}
	now := s.now.Add(min(ahead, 0))
	if by := now.Sub(t); s.known > 0 && by > 0 && by <= maxSetBack {
		return now
	}
	return t
}

// differing returns what newSteady needs beside the steady time.
func (s *steady) differing() []producerClock {
	if s.known == 0 || s.known == 1 && s.clocks[0] == (producerClock{latest: s.now}) {
		return nil
	}
	return append([]producerClock(nil), s.clocks[:s.known]...)
}

// appendClocks writes clocks as entries of 32 bytes: mark, difference, a zero, the latest time.
func appendClocks(b []byte, clocks []producerClock) []byte {
	for _, c := range clocks {
		b = append(b, clockMark...)
		b = binary.LittleEndian.AppendUint64(b, uint64(c.ahead))
		b = binary.LittleEndian.AppendUint64(b, 0)
		b = binary.LittleEndian.AppendUint64(b, uint64(c.latest.UnixNano()))
	}
	return b
}

// clockOf returns the clock that an entry of 32 bytes holds; ok is false for the entry of a record.
func clockOf(entry []byte) (c producerClock, ok bool) {
	if string(entry[:len(clockMark)]) != clockMark {
		return c, false
	}
	return producerClock{ahead: time.Duration(binary.LittleEndian.Uint64(entry[8:])), latest: time.Unix(0, int64(binary.LittleEndian.Uint64(entry[24:])))}, true
}
