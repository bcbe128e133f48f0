package top

// Series is the answer of GET /console/v1/series: readings of the collector's own metrics.
type Series struct {
	Times  []int64 `json:"times"` // Unix milliseconds
	Series []One   `json:"series"`
}

// One is one series, with a value for each of the times; nil where it has none.
type One struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	Values []*float64        `json:"values"`
}

// rateWindow is over how many milliseconds a rate is taken.
const rateWindow = 30_000

// match selects series by their labels.
type match map[string]func(string) bool

func is(value string) func(string) bool { return func(v string) bool { return v == value } }

func in(set map[string]bool) func(string) bool { return func(v string) bool { return set[v] } }

func (s *Series) pick(name string, m match) (picked []*One) {
next:
	for i := range s.Series {
		one := &s.Series[i]
		if one.Name != name {
			continue
		}
		for label, ok := range m {
			if !ok(one.Labels[label]) {
				continue next
			}
		}
		picked = append(picked, one)
	}
	return picked
}

// last is the sum of the last values; ok is false where there is none.
func (s *Series) last(name string, m match) (sum float64, ok bool) {
	for _, one := range s.pick(name, m) {
		if n := len(one.Values); n > 0 && one.Values[n-1] != nil {
			sum, ok = sum+*one.Values[n-1], true
		}
	}
	return sum, ok
}

// most is the greatest of the last values.
func (s *Series) most(name string, m match) (most float64) {
	for _, one := range s.pick(name, m) {
		if n := len(one.Values); n > 0 && one.Values[n-1] != nil {
			most = max(most, *one.Values[n-1])
		}
	}
	return most
}

// rate is the sum of the increases a second over the last half minute. A counter reset adds nothing.
func (s *Series) rate(name string, m match) (sum float64) {
	n := len(s.Times)
	if n < 2 {
		return 0
	}
	first := n - 1
	for first > 0 && s.Times[first-1] >= s.Times[n-1]-rateWindow {
		first--
	}
	seconds := float64(s.Times[n-1]-s.Times[first]) / 1000
	if seconds <= 0 {
		return 0
	}
	for _, one := range s.pick(name, m) {
		for i := first + 1; i < n && i < len(one.Values); i++ {
			if was, now := one.Values[i-1], one.Values[i]; was != nil && now != nil && *now > *was {
				sum += (*now - *was) / seconds
			}
		}
	}
	return sum
}
