package detect

import (
	"strings"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/dialplan"
)

// plan defines the beginnings and lengths of a region's national numbers, without trunk prefix, as they are usually written there.
type plan struct {
	trunk    bool   // a 0 comes first
	first    string // beginning of the number, after the 0
	min, max int    // digits, without the 0
}

var plans = map[string][]plan{
	"US": {{first: "23456789", min: 10, max: 10}, {first: "1", min: 11, max: 11}},
	"CA": {{first: "23456789", min: 10, max: 10}, {first: "1", min: 11, max: 11}},
	"GB": {{trunk: true, first: "1235789", min: 9, max: 10}},
	"DE": {{trunk: true, first: "123456789", min: 5, max: 13}},
	"FR": {{trunk: true, first: "123456789", min: 9, max: 9}},
	"ES": {{first: "6789", min: 9, max: 9}},
	"IT": {{trunk: true, first: "123456789", min: 5, max: 10}, {first: "3", min: 9, max: 10}},
	"NL": {{trunk: true, first: "123456789", min: 9, max: 9}},
	"BE": {{trunk: true, first: "123456789", min: 8, max: 9}},
	"CH": {{trunk: true, first: "23456789", min: 9, max: 9}},
	"AT": {{trunk: true, first: "123456789", min: 6, max: 13}},
	"SE": {{trunk: true, first: "123456789", min: 6, max: 10}},
	"PL": {{first: "123456789", min: 9, max: 9}},
	"PT": {{first: "23689", min: 9, max: 9}},
	"IE": {{trunk: true, first: "1245678", min: 7, max: 10}},
	"IN": {{first: "6789", min: 10, max: 10}, {trunk: true, first: "123456789", min: 10, max: 10}},
	"BR": {{first: "123456789", min: 10, max: 11}, {trunk: true, first: "123456789", min: 10, max: 11}},
	"MX": {{first: "123456789", min: 10, max: 10}},
	"AU": {{trunk: true, first: "234578", min: 9, max: 9}, {first: "1", min: 6, max: 10}},
	"JP": {{trunk: true, first: "123456789", min: 9, max: 10}},
	"FI": {{trunk: true, first: "123456789", min: 5, max: 11}},
	"CZ": {{first: "23456789", min: 9, max: 9}},
	"GR": {{first: "26", min: 10, max: 10}},
	"TR": {{trunk: true, first: "23458", min: 10, max: 10}, {first: "2345", min: 10, max: 10}},
	"RU": {{first: "8", min: 11, max: 11}, {first: "9", min: 10, max: 10}},
	"UA": {{trunk: true, first: "34569", min: 9, max: 9}},
	"RO": {{trunk: true, first: "237", min: 9, max: 9}},
	"IL": {{trunk: true, first: "2345789", min: 8, max: 9}},
	"ZA": {{trunk: true, first: "12345678", min: 9, max: 9}},
	"KR": {{trunk: true, first: "123456789", min: 8, max: 10}},
	"NZ": {{trunk: true, first: "2346789", min: 8, max: 10}},
	"DK": {{first: "23456789", min: 8, max: 8}},
	"NO": {{first: "23456789", min: 8, max: 8}},
	"CN": {{first: "1", min: 11, max: 11}, {trunk: true, first: "123456789", min: 9, max: 11}},
}

// regionPlan defines how numbers are dialled in one region, and which exist.
type regionPlan struct {
	plans []plan
	dial  *dialplan.Plan
}

// regionSet finds the regions in which a number may be dialled, by its length and its first two digits.
type regionSet struct {
	all   []regionPlan
	shape [maxDial + 3][100][]uint8
}

func newRegionSet(regions []string) *regionSet {
	s := &regionSet{all: regionPlans(regions)}
	for n := minDial; n < len(s.shape); n++ {
		for head := range 100 {
			d := dial{n: n}
			d.digits[0], d.digits[1] = byte('0'+head/10), byte('0'+head%10)
			for i := range s.all {
				if r := &s.all[i]; len(r.plans) == 0 || r.plausible(&d, n) {
					s.shape[n][head] = append(s.shape[n][head], uint8(i))
				}
			}
		}
	}
	return s
}

// valid reports whether the first n digits of d are a number in one of the regions.
func (s *regionSet) valid(d *dial, n int) bool {
	if n < minDial || n >= len(s.shape) {
		return false
	}
	for _, i := range s.shape[n][int(d.digits[0]-'0')*10+int(d.digits[1]-'0')] {
		if s.all[i].valid(d.digits[:n]) {
			return true
		}
	}
	return false
}

// regionPlans prepares the plans of regions; those without a plan are left out.
func regionPlans(regions []string) (list []regionPlan) {
	for _, r := range regions {
		if d := dialplan.ForRegion(r); d != nil {
			list = append(list, regionPlan{plans[r], d})
		}
	}
	return list
}

// valid reports whether plausible digits, dialled inside the region, reach a number.
func (r *regionPlan) valid(digits []byte) bool {
	return r.dial.Valid(r.dial.Strip(digits)) || len(r.plans) == 0 && r.dial.Valid(digits)
}

// plausible reports whether the first n digits of d fit one of the plans; a number without its leading 0 does not.
func (r *regionPlan) plausible(d *dial, n int) bool {
	for i := range r.plans {
		p := &r.plans[i]
		from := 0
		if p.trunk {
			if d.digits[0] != '0' {
				continue
			}
			from = 1
		}
		if n-from < p.min || n-from > p.max {
			continue
		}
		if strings.IndexByte(p.first, d.digits[from]) >= 0 {
			return true
		}
	}
	return false
}
