package delivery

import "context"

// poison knows which records the pipeline refuses permanently. They must not stop a partition. But a refusal can come after a component
// has already accepted half of a range. So the worker restarts from its checkpoint, delivers the records up to the refusal one by one, and
// leaves out the record that is refused alone.
type poison struct {
	until   int64 // deliver record by record up to here
	offsets map[int64]struct{}
	closer  bool // a refusal has just been narrowed down
}

// narrowed reports, once, that the worker restarts because it has narrowed down a refused record, so that it need not pause.
func (p *poison) narrowed() bool {
	was := p.closer
	p.closer = false
	return was
}

// behind reports whether a record below next was left out since the last checkpoint.
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

// forget removes records below the last checkpoint.
func (p *poison) forget(below int64) {
	for o := range p.offsets {
		if o < below {
			delete(p.offsets, o)
		}
	}
}

// cut shortens r to its first record while the worker delivers record by record.
func (p *poison) cut(r Range) Range {
	if r.First >= p.until || len(r.Records) < 2 {
		return r
	}
	r.Records, r.Next, r.AtEnd = r.Records[:1:1], r.Records[1].Offset, false
	return r
}

// deadLetter writes to the dead letter what was refused with reason: a single record, or a recorded range, which can't be delivered in parts. A
// longer range is delivered record by record next time.
func (w *Worker) deadLetter(ctx context.Context, b Bounds, records []Record, reason error) error {
	if len(records) > 1 && !w.set.RecordRanges {
		w.poison.closer = b.Next > w.poison.until
		w.poison.until = max(w.poison.until, b.Next)
		return nil
	}
	for _, r := range records {
		if err := w.set.DeadLetter(ctx, r, reason); err != nil {
			return err
		}
		if w.poison.offsets == nil {
			w.poison.offsets = map[int64]struct{}{}
		}
		w.poison.offsets[r.Offset] = struct{}{}
		w.set.Observer.DeadLettered(r.Offset, reason)
	}
	w.poison.closer = true
	return nil
}
