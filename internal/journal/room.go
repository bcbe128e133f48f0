package journal

import (
	"fmt"
	"strings"
	"time"
)

// Room is how much more of a topic a journal with a size limit accepts, and which consumer group prevents it from accepting more. It is a snapshot,
// about a second old.
type Room struct {
	// Full says that the journal refuses records of this topic now.
	Full bool
	// UsedBytes is the size of the whole journal, LimitBytes the largest that it may have.
	UsedBytes, LimitBytes int64
	// LeftBytes is how many bytes this topic may still add. It can be less than LimitBytes - UsedBytes, because other topics have a reserve; 0 in a
	// Room that is not Full: unknown.
	LeftBytes int64
	// DiskFull says that the disk is the limit, not LimitBytes.
	DiskFull bool
	// Holder is the consumer group with the most unread bytes of this topic; empty if there is none.
	Holder string
	// Behind is the age of the oldest record that Holder has not read.
	Behind time.Duration
	// BytesPerSecond is the recent rate at which records of this topic are appended.
	BytesPerSecond float64
}

// Left returns how many more bytes of the topic the journal accepts.
func (r Room) Left() int64 {
	switch {
	case r.Full:
		return 0
	case r.LeftBytes > 0:
		return r.LeftBytes
	}
	return max(0, r.LimitBytes-r.UsedBytes)
}

// Lasts returns how long the remaining space lasts at the present rate; false if nothing is appended.
func (r Room) Lasts() (time.Duration, bool) {
	if r.BytesPerSecond < 1 {
		return 0, false
	}
	seconds := min(float64(r.Left())/r.BytesPerSecond, (10 * 365 * 24 * time.Hour).Seconds())
	return time.Duration(seconds * float64(time.Second)), true
}

// Describe describes in words why the journal is full, or how much space is left: "journal full (338 of 512 MiB): loki is 8 m behind". topic is the
// room's topic; group names that begin with it are shortened to the follower's.
func (r Room) Describe(topic string) string {
	switch {
	case r.Full && r.DiskFull && r.LimitBytes == 0: // It is not open.
		return "the journal is not open: the disk is full"
	case r.Full && r.DiskFull:
		return fmt.Sprintf("journal full (%d of %d MiB): the disk is full", mebibytes(r.UsedBytes), mebibytes(r.LimitBytes))
	case r.Full && r.Holder == "":
		return fmt.Sprintf("journal full (%d of %d MiB): records of %s arrive faster than they are read", mebibytes(r.UsedBytes), mebibytes(r.LimitBytes), topic)
	case r.Full:
		return fmt.Sprintf("journal full (%d of %d MiB): %s is %s behind", mebibytes(r.UsedBytes), mebibytes(r.LimitBytes), r.Follower(topic), Ago(r.Behind))
	}
	text := fmt.Sprintf("the journal has space for %d more MiB of %s", mebibytes(r.Left()), topic)
	if d, ok := r.Lasts(); ok {
		text += fmt.Sprintf(", %s at the present rate", Ago(d))
	}
	return text
}

// Follower returns the name that Holder has as a follower of topic.
func (r Room) Follower(topic string) string { return strings.TrimPrefix(r.Holder, topic+".") }

func mebibytes(n int64) int64 { return (n + 1<<19) >> 20 }

// Ago formats a duration for people: one number and its unit, s, m, h or d.
func Ago(d time.Duration) string {
	switch {
	case d < 100*time.Second:
		return fmt.Sprintf("%d s", int64(d/time.Second))
	case d < 100*time.Minute:
		return fmt.Sprintf("%d m", int64(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int64(d/time.Hour))
	}
	return fmt.Sprintf("%d d", int64(d/(24*time.Hour)))
}
