package remotewrite

import "time"

// RetryError says that not everything could be delivered and that the batch is to be written again: delivered parts are remembered and not
// sent twice.
type RetryError struct {
	After  time.Duration // the receiver's Retry-After; 0: absent
	Status int           // the receiver's status; 0: there was no answer
	Err    error
}

func (e *RetryError) Error() string { return e.Err.Error() }
func (e *RetryError) Unwrap() error { return e.Err }

// Result is the result of a batch so far. It counts every sample once, however often the batch is repeated.
type Result struct {
	Sent     Counts // accepted by the receiver
	Requests map[Version]int
	Bytes    map[Version]int // compressed
	Refused  map[Reason]int  // samples
	// Points are the data points of which a sample was refused, each once, by the reason of the first. If a receiver accepts a part of a
	// request and doesn't say which, each refused sample counts as a point.
	Points     map[Reason]int
	RefusedFor string // the receiver's answer for one of them
	// Redelivered samples had been sent before, and were refused for that reason now.
	Redelivered int
	// Differing are those of Redelivered for which the receiver has another value: Prometheus accepts an equal one.
	Differing int
}

func (r *Result) add(o Result) {
	r.Sent.Samples += o.Sent.Samples
	r.Sent.Histograms += o.Sent.Histograms
	r.Sent.Exemplars += o.Sent.Exemplars
	for v, n := range o.Requests {
		r.Requests[v] += n
	}
	for v, n := range o.Bytes {
		r.Bytes[v] += n
	}
	for why, n := range o.Refused {
		r.Refused[why] += n
	}
	for why, n := range o.Points {
		r.Points[why] += n
	}
	if o.RefusedFor != "" {
		r.RefusedFor = o.RefusedFor
	}
	r.Redelivered += o.Redelivered
	r.Differing += o.Differing
}

func newResult() Result {
	return Result{Requests: map[Version]int{}, Bytes: map[Version]int{}, Refused: map[Reason]int{}, Points: map[Reason]int{}}
}
