package delivery

import (
	"fmt"
	"time"
)

// Gap is a range of journal time of which a sink may have lost data that it had made durable.
type Gap struct {
	// From is the time up to which the sink still has everything; zero if it has nothing, which means the journal's beginning.
	From time.Time
	// To is the newest journal time that the sink had.
	To time.Time
	// Why is the sink's reason for the newest position that it lacks.
	Why error
}

// FindGap checks a sink for the positions of marks, oldest first, as [Barrier.Restored] returns them. holds returns why a position is
// gone, or an error if the sink can't decide. A nil Gap means that the sink has the newest position.
func FindGap(marks []Mark, holds func(position string) (gone, err error)) (*Gap, error) {
	var g *Gap
	for i := len(marks) - 1; i >= 0; i-- {
		gone, err := holds(marks[i].Position)
		switch {
		case err != nil:
			return nil, err
		case gone == nil:
			if g != nil {
				g.From = marks[i].At
			}
			return g, nil
		case g == nil:
			g = &Gap{To: marks[i].At, Why: gone}
		}
	}
	return g, nil
}

// Job is the replay of signal that writes the range again. A range from the journal's beginning is forced: the preflight refuses a range that begins
// before what is left of the journal, or before the oldest time that a store accepts, and here everything that can be written is wanted.
func (g *Gap) Job(signal string) string {
	from, force := g.From, ""
	if from.IsZero() {
		from, force = time.Unix(0, 0), `,"force":true`
	}
	to := g.To.Add(2 * time.Second) // The API takes whole seconds and excludes the end.
	return fmt.Sprintf(`POST /v1/replays {"signal":%q,"from":%q,"to":%q%s}`, signal, from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339), force)
}
