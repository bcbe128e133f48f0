package dispatch

import (
	"context"
	"slices"

	"github.com/penstockhq/penstock/extensions/deadletterextension/internal/parts"
	"github.com/penstockhq/penstock/internal/verdict"
)

// narrowing is one pass over the pieces of a request.
type narrowing struct {
	lane   *Lane
	batch  *parts.Batch
	st     *state
	dead   map[string][]parts.Range // by reason; permanently refused, not stored yet
	causes map[string]error         // by reason; the latest
	last   Answer                   // the reason why pieces are left
	later  []piece                  // failed in this pass, to be tried in the next one
}

// run sends pieces until none is left for this pass.
func (n *narrowing) run(ctx context.Context, post Post) {
	defer func() { n.st.pieces, n.later = append(n.later, n.st.pieces...), nil }()
	for doubtful := 0; len(n.st.pieces) > 0 && doubtful < fruitless; {
		p := n.st.pieces[len(n.st.pieces)-1]
		body, err := n.batch.Encode(p.Range)
		if err != nil {
			n.last = again(err)
			return
		}
		n.st.sends++
		a := post(ctx, body)
		switch {
		case a.Doubtful:
			doubtful++
		case a.Again():
			n.last = a
			return
		default:
			doubtful = 0
		}
		n.st.pieces = n.st.pieces[:len(n.st.pieces)-1]
		if a.Verdict == verdict.Accepted {
			n.lane.passed(ctx, a)
			continue
		}
		n.settle(p, a)
	}
}

// settle divides a piece that failed, or handles it if it can't be divided.
func (n *narrowing) settle(p piece, a Answer) {
	if p.Len() > 1 && n.st.sends < maxSends {
		left, right := p.Halves()
		n.st.pieces = append(n.st.pieces, piece{Range: right}, piece{Range: left})
		return
	}
	reason := Refused
	switch {
	case a.TooLarge:
		reason = TooLarge
	case a.Doubtful:
		reason = Doubtful
		if suspect, _ := n.lane.suspects(&p.tries, &p.passedAt); !suspect {
			n.later, n.last = append(n.later, p), a
			return
		}
	}
	n.dead[reason], n.causes[reason] = append(n.dead[reason], p.Range), a.Err
}

// storeDeadLetters stores permanently refused pieces. Pieces that can't be stored are tried again.
func (n *narrowing) storeDeadLetters(ctx context.Context) (err error) {
	for reason, ranges := range n.dead {
		slices.SortFunc(ranges, func(a, b parts.Range) int { return a.From - b.From })
		items := 0
		for _, r := range ranges {
			items += r.Len()
		}
		body, e := n.batch.Encode(ranges...)
		if e == nil {
			e = n.lane.told.StoreDeadLetter(ctx, n.lane.signal, items, reason, body, n.causes[reason])
		}
		if e != nil {
			err = e
			for _, r := range ranges {
				n.st.pieces = append(n.st.pieces, piece{Range: r})
			}
		}
	}
	return err
}
