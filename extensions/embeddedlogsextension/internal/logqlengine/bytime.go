package logqlengine

// byTime sorts samples by time, those of one time by their places.
type byTime struct{ *window }

func (s byTime) Len() int { return len(s.samples) }

func (s byTime) Less(i, j int) bool {
	if a, b := s.samples[i].Nanos, s.samples[j].Nanos; a != b {
		return a < b
	}
	return s.places[i].Compare(s.places[j]) < 0
}

func (s byTime) Swap(i, j int) {
	s.samples[i], s.samples[j] = s.samples[j], s.samples[i]
	s.places[i], s.places[j] = s.places[j], s.places[i]
}
