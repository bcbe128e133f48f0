package remotewrite

import "fmt"

// finish counts the results of a request, of samples, that will not be sent again.
func (b *batch) finish(hash uint64, e *encoding, samples []int32, v Version, size int, resp Response, maybeRedelivered bool) {
	r, sent, whole := newResult(), e.Counts(), false // whole: no sample of the request was accepted
	r.Requests[v], r.Bytes[v] = 1, size
	switch {
	case v == V1 && resp.OK():
		r.Sent = sent
	case v == V2 && resp.Confirmed:
		r.Sent = resp.Written
	}
	if missing := sent.All() - r.Sent.All(); missing > 0 {
		why := Unconfirmed
		if !resp.OK() {
			why = ReasonOf(resp.Status, resp.Body)
		}
		if maybeRedelivered && why.OfOlderSample() {
			r.Redelivered = missing
			if why == Duplicate {
				r.Differing = missing
			}
		} else {
			r.Refused[why] = missing
			r.Points[why] = missing
			whole = missing == len(samples)
			r.RefusedFor = fmt.Sprintf("%d: %s", resp.Status, resp.Body)
		}
	}
	if n := e.Unsupported(); n > 0 {
		r.Refused[Unsupported] += n
		r.Points[Unsupported] += n
		if r.RefusedFor == "" {
			r.RefusedFor = "remote write 1.0 has no histograms with custom buckets"
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if whole {
		for why := range r.Points {
			r.Points[why] = b.losePointsLocked(samples)
		}
	}
	b.result.add(r)
	b.marks = append(b.marks, request{hash, delivered})
}

// losePointsLocked returns the number of data points of samples that had lost no sample before. A histogram's samples may be in several
// requests.
func (b *batch) losePointsLocked(samples []int32) (n int) {
	for _, i := range samples {
		p := b.samples[i].Point
		if _, known := b.lost[p]; p == 0 || known {
			continue
		}
		if b.lost == nil {
			b.lost = map[int32]struct{}{}
		}
		b.lost[p] = struct{}{}
		n++
	}
	return n
}
