package replay

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Bounds of the board.
const (
	maxEnded   = 1000 // jobs that have ended; the oldest is removed first
	maxHistory = 50   // events of one job
	maxReasons = 100  // for refusals of one job; others are "other"
)

// Want is what users want of a job.
type Want string

// The wants.
const (
	Run    Want = "run"
	Pause  Want = "pause"
	Cancel Want = "cancel"
	Delete Want = "delete"
)

// Phase is the phase of a job.
type Phase string

// The phases. Done, Failed and Cancelled are final.
const (
	Waiting   Phase = "waiting"
	Replacing Phase = "replacing"
	Running   Phase = "running"
	Paused    Phase = "paused"
	Done      Phase = "done"
	Failed    Phase = "failed"
	Cancelled Phase = "cancelled"
)

// Ended reports whether the phase is final.
func (p Phase) Ended() bool { return p == Done || p == Failed || p == Cancelled }

// Phases in the order of a job's life.
var Phases = []Phase{Waiting, Replacing, Running, Paused, Done, Failed, Cancelled}

// Job is a replay.
type Job struct {
	Spec    Spec      `json:"spec"`
	Range   *Range    `json:"range,omitempty"` // nil with offsets
	Spans   []Span    `json:"spans"`
	Created time.Time `json:"created"`
	By      string    `json:"by"`
	// Tenant is the tenant of the API key that created the job; Spec.Tenants contains only it. Empty: an operator created it.
	Tenant string `json:"tenant,omitempty"`
	// Warnings are the problems that the preflight check found and force ignored.
	Warnings []string `json:"warnings,omitempty"`
	Want     Want     `json:"want"`
	Status   Status   `json:"status"`
	History  []Step   `json:"history"`
}

// Step is a user's action on a job.
type Step struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	What string    `json:"what"`
}

// Status is the progress of a job. The instance that runs it writes it.
type Status struct {
	Phase Phase `json:"phase"`
	// Reason is why it failed, or the last error that is being retried.
	Reason string `json:"reason,omitempty"`
	// Replaced are the selectors whose series were deleted; nil until that is done.
	Replaced   []string   `json:"replaced,omitempty"`
	Partitions []Progress `json:"partitions,omitempty"`
	Counts     Counts     `json:"counts"`
	// Rates of the last seconds.
	RecordsPerSecond float64 `json:"records_per_second"`
	BytesPerSecond   float64 `json:"bytes_per_second"`
	OffsetsPerSecond float64 `json:"offsets_per_second"`
	// Yielding names the live group in favour of which the job slows down.
	Yielding string    `json:"yielding,omitempty"`
	Instance string    `json:"instance,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
}

// Progress of one partition: Next moves from First to End.
type Progress struct {
	Partition int32  `json:"partition"`
	First     int64  `json:"first"`
	Next      int64  `json:"next"`
	End       int64  `json:"end"`
	Counts    Counts `json:"counts"`
}

// Counts are the results of records and items. They are part of a partition's checkpoint, so records that are read again count once.
type Counts struct {
	Records      int64 `json:"records"`       // delivered
	Bytes        int64 `json:"bytes"`         // of their values
	Items        int64 `json:"items"`         // data points, log records or spans in them that no sink refused
	RefusedItems int64 `json:"refused_items"` // items in them that a sink refused permanently
	// RefusedFor counts by component and reason: "component: reason". If a sink splits items, or several refuse one, the sum exceeds
	// RefusedItems.
	RefusedFor  map[string]int64 `json:"refused_for,omitempty"` // never changed in place
	Filtered    int64            `json:"filtered"`              // records that the selection left out
	Outside     int64            `json:"outside"`               // items outside the range or not meeting the condition
	Duplicates  int64            `json:"duplicates"`            // records that repeat another
	Undecodable int64            `json:"undecodable"`           // records that can't be read
	Refused     int64            `json:"refused"`               // records that the pipeline refuses permanently
	Lost        int64            `json:"lost"`                  // offsets that retention deleted
}

// Add adds other to c.
func (c *Counts) Add(other *Counts) {
	c.Records += other.Records
	c.Bytes += other.Bytes
	c.Items += other.Items
	c.RefusedItems += other.RefusedItems
	if len(other.RefusedFor) > 0 {
		sum := make(map[string]int64, len(c.RefusedFor)+len(other.RefusedFor))
		maps.Copy(sum, c.RefusedFor)
		for why, n := range other.RefusedFor {
			if _, known := sum[why]; !known && len(sum) >= maxReasons {
				why = "other"
			}
			sum[why] += n
		}
		c.RefusedFor = sum
	}
	c.Filtered += other.Filtered
	c.Outside += other.Outside
	c.Duplicates += other.Duplicates
	c.Undecodable += other.Undecodable
	c.Refused += other.Refused
	c.Lost += other.Lost
}

// Total returns the number of the job's offsets, and how many of them were processed.
func (s *Status) Total() (all, done int64) {
	for _, p := range s.Partitions {
		all += p.End - p.First
		done += p.Next - p.First
	}
	return all, done
}

// Remaining is the time for the rest at the present rate; 0 if unknown.
func (s *Status) Remaining() time.Duration {
	all, done := s.Total()
	if s.OffsetsPerSecond <= 0 || s.Phase != Running {
		return 0
	}
	return time.Duration(float64(all-done) / s.OffsetsPerSecond * float64(time.Second)).Round(time.Second)
}

// Entry is a record of the log: exactly one of Job, Want and Status, or Gone.
type Entry struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
	By string    `json:"by,omitempty"`
	// Job creates a job, or replaces all earlier entries about it.
	Job *Job `json:"job,omitempty"`
	// Want changes what is wanted.
	Want Want `json:"want,omitempty"`
	// Status is the progress.
	Status *Status `json:"status,omitempty"`
	// Gone: the job is forgotten.
	Gone bool `json:"gone,omitempty"`
}

// Board is the state that results from a log of entries. All readers of the same log have the same board. The zero value is empty. It is
// not safe for concurrent use.
type Board struct {
	jobs []*Job // in order of creation
}

// Jobs returns the jobs in order of creation. They belong to the board.
func (b *Board) Jobs() []*Job { return b.jobs }

// Job returns the job called id, nil if there is none.
func (b *Board) Job(id string) *Job {
	for _, j := range b.jobs {
		if j.Spec.ID == id {
			return j
		}
	}
	return nil
}

// Apply applies the next entry. It ignores an entry that contradicts the present state (two instances wrote at once).
func (b *Board) Apply(e Entry) {
	have := b.Job(e.ID)
	switch {
	case e.Job != nil:
		if have == nil {
			b.jobs = append(b.jobs, e.Job)
			b.forget()
		}
	case have == nil:
	case e.Gone:
		b.jobs = slices.DeleteFunc(b.jobs, func(j *Job) bool { return j == have })
	case e.Want != "":
		// Deletion is final, and after an end only deletion is possible.
		if have.Want != Delete && (!have.Status.Phase.Ended() || e.Want == Delete) && (have.Want != Cancel || e.Want == Delete) {
			have.Want = e.Want
			have.note(Step{At: e.At, By: e.By, What: string(e.Want)})
		}
	case e.Status != nil:
		if have.Status.Phase.Ended() {
			return
		}
		if e.Status.Phase != have.Status.Phase {
			have.note(Step{At: e.At, By: e.Status.Instance, What: cmp.Or(string(e.Status.Phase), "?")})
		}
		have.Status = *e.Status
	}
}

func (j *Job) note(e Step) {
	j.History = append(j.History, e)
	if len(j.History) > maxHistory {
		j.History = slices.Delete(j.History, 1, len(j.History)-maxHistory+1) // the first one has the creator
	}
}

// forget drops the oldest jobs that have ended.
func (b *Board) forget() {
	ended := 0
	for _, j := range b.jobs {
		if j.Status.Phase.Ended() {
			ended++
		}
	}
	b.jobs = slices.DeleteFunc(b.jobs, func(j *Job) bool {
		if ended > maxEnded && j.Status.Phase.Ended() {
			ended--
			return true
		}
		return false
	})
}
