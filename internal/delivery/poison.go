package delivery

import "context"

// poison knows which records the pipeline refuses for ever. They must not stop a partition; but a refusal can come after
// a component has taken half of a range, so the worker begins again from its checkpoint, goes record by record up to
// where it was refused, and leaves out the one that is refused alone.
type poison struct {
	until   int64 // record by record up to here
	offsets map[int64]struct{}
	closer  bool // a refusal has just been narrowed down
}

// narrowed says, once, that the worker begins again because it came closer to a refused record: there is nothing to wait for.
func (p *poison) narrowed() bool {
	was := p.closer
	p.closer = false
	return was
}

// behind says whether a record below next was left out since the last checkpoint.
func (p *poison) behind(next int64) bool {
	for o := range p.offsets {
		if o < next {
			return true
		}
	}
	return false
}

func (p *poison) is(offset int64) bool {
	_, ok := p.offsets[offset]
	return ok
}

// forget drops what lies below the last checkpoint.
func (p *poison) forget(below int64) {
	for o := range p.offsets {
		if o < below {
			delete(p.offsets, o)
		}
	}
}

// cut shortens r to its first record while the worker goes record by record.
func (p *poison) cut(r Range) Range {
	if r.First >= p.until || len(r.Records) < 2 {
		return r
	}
	r.Records, r.Next, r.AtEnd = r.Records[:1:1], r.Records[1].Offset, false
	return r
}

// bury sets aside what was refused with reason: a single record, or a recorded range, which can't be delivered in parts.
// A longer range is gone through record by record next time.
func (w *Worker) bury(ctx context.Context, b Bounds, records []Record, reason error) error {
	if len(records) > 1 && !w.set.RecordRanges {
		w.poison.closer = b.Next > w.poison.until
		w.poison.until = max(w.poison.until, b.Next)
		return nil
	}
	for _, r := range records {
		if err := w.set.Bury(ctx, r, reason); err != nil {
			return err
		}
		if w.poison.offsets == nil {
			w.poison.offsets = map[int64]struct{}{}
		}
		w.poison.offsets[r.Offset] = struct{}{}
		w.set.Observer.Buried(r.Offset, reason)
	}
	w.poison.closer = true
	return nil
}
