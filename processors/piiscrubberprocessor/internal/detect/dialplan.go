package detect

import "github.com/nyaruka/phonenumbers"

// plan says what a region's national numbers begin with and how long they are, trunk prefix aside. It is the cheap question before
// libphonenumber's, which takes microseconds and allocates.
type plan struct {
	trunk    bool   // a 0 comes first
	first    string // what the number begins with, behind the 0
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
	"CN": {{first: "1", min: 11, max: 11}, {trunk: true, first: "123456789", min: 9, max: 11}},
}

// plausible reports whether the first n digits of d fit a plan of region; a region without a plan takes all.
func plausible(region string, d *dial, n int) bool {
	list, ok := plans[region]
	for i := range list {
		p := &list[i]
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
		for k := range len(p.first) {
			if p.first[k] == d.digits[from] {
				return true
			}
		}
	}
	return !ok
}

var callingCodes = phonenumbers.GetSupportedCallingCodes()

// callingCode reports whether d begins with a country's calling code.
func callingCode(d *dial) bool {
	code := 0
	for i := 0; i < 3 && i < d.n; i++ {
		code = code*10 + int(d.digits[i]-'0')
		if callingCodes[code] {
			return true
		}
	}
	return false
}

// Validations that a text may cost: a few, and one for each so many bytes. They are by far the dearest thing that the scanner
// does. A text that asks for more is full of candidates, and then what looks like a number is taken for one.
const (
	freeValidations    = 8
	bytesPerValidation = 128
)

// spend takes one validation off the budget; false when it is used up.
func (sc *scan) spend() bool {
	sc.validations++
	return sc.validations <= freeValidations+len(sc.t)/bytesPerValidation
}
