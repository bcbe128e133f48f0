package corpus

import "sort"

// Score counts bytes of one detector: labelled and found, found but not labelled, labelled but not found.
type Score struct {
	Detector                    string
	Lines                       int
	TruePositive, FalsePositive int
	FalseNegative               int
}

// Precision is the share of what was found that is labelled; 1 if nothing was found.
func (s Score) Precision() float64 { return share(s.TruePositive, s.FalsePositive) }

// Recall is the share of what is labelled that was found.
func (s Score) Recall() float64 { return share(s.TruePositive, s.FalseNegative) }

// F1 is the harmonic mean of both.
func (s Score) F1() float64 {
	p, r := s.Precision(), s.Recall()
	if p+r == 0 {
		return 0
	}
	return 2 * p * r / (p + r)
}

func share(yes, no int) float64 {
	if yes+no == 0 {
		return 1
	}
	return float64(yes) / float64(yes+no)
}

// Any is the name of the score that only counts whether a byte is part of any finding.
const Any = "any"

// Evaluate scores the findings of find byte by byte: by detector, where a finding under another name counts both as missed and as false,
// and in total (Any).
func Evaluate(lines []Line, find func(Line) []Span) []Score {
	scores := map[string]*Score{Any: {Detector: Any}}
	of := func(name string) *Score {
		if scores[name] == nil {
			scores[name] = &Score{Detector: name}
		}
		return scores[name]
	}
	for _, l := range lines {
		want, got := paint(l.Text, l.Spans), paint(l.Text, find(l))
		for _, s := range l.Spans {
			of(s.Detector).Lines++
		}
		of(Any).Lines++
		for i := range want {
			w, g := want[i], got[i]
			switch {
			case w == "" && g == "":
				continue
			case w == g:
				of(w).TruePositive++
			default:
				if w != "" {
					of(w).FalseNegative++
				}
				if g != "" {
					of(g).FalsePositive++
				}
			}
			switch {
			case w != "" && g != "":
				of(Any).TruePositive++
			case w != "":
				of(Any).FalseNegative++
			default:
				of(Any).FalsePositive++
			}
		}
	}
	list := make([]Score, 0, len(scores))
	for _, s := range scores {
		list = append(list, *s)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Detector < list[j].Detector })
	return list
}

// paint names the detector of each byte.
func paint(text string, spans []Span) []string {
	p := make([]string, len(text))
	for _, s := range spans {
		for i := s.Start; i < s.End; i++ {
			p[i] = s.Detector
		}
	}
	return p
}
