package dialplan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/dialplan"
)

func codes() (list []int) {
	for c := range phonenumbers.GetSupportedCallingCodes() {
		list = append(list, c)
	}
	slices.Sort(list)
	return list
}

// libphonenumber's examples of every region and type are valid, and possible.
func TestExamples(t *testing.T) {
	n := 0
	for region := range phonenumbers.GetSupportedRegions() {
		for typ := phonenumbers.FIXED_LINE; typ <= phonenumbers.VOICEMAIL; typ++ {
			example := phonenumbers.GetExampleNumberForType(region, typ)
			if example == nil {
				continue
			}
			n++
			national := []byte(phonenumbers.GetNationalSignificantNumber(example))
			p := dialplan.ForRegion(region)
			require.NotNil(t, p, region)
			assert.True(t, p.Valid(national), "%s %s", region, national)
			assert.True(t, p.Possible(national), "%s %s", region, national)
		}
	}
	assert.Greater(t, n, 500)
}

// On random numbers of every calling code the result equals libphonenumber's.
func TestAgreesWithLibphonenumber(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, code := range codes() {
		valid := 0
		for range 60 {
			digits := strconv.Itoa(code)
			for range 4 + r.IntN(9) {
				digits += strconv.Itoa(r.IntN(10))
			}
			parsed, err := phonenumbers.Parse("+"+digits, "")
			if err != nil || parsed.GetCountryCode() != int32(code) {
				continue
			}
			// The prefixes that it removes (carrier codes) are not compared.
			national := phonenumbers.GetNationalSignificantNumber(parsed)
			if national != digits[len(strconv.Itoa(code)):] {
				continue
			}
			p, n := dialplan.ForNumber([]byte(digits))
			require.NotNil(t, p, digits)
			require.Equal(t, len(strconv.Itoa(code)), n)
			want := phonenumbers.IsValidNumber(parsed)
			if want {
				valid++
			}
			assert.Equal(t, want, p.Valid([]byte(national)), "+%d %s", code, national)
		}
	}
}

func TestPrefix(t *testing.T) {
	assert.Equal(t, "30901820", string(dialplan.ForRegion("DE").Strip([]byte("030901820"))))
	assert.Equal(t, "0612345678", string(dialplan.ForRegion("IT").Strip([]byte("0612345678"))), "it belongs to the number")
	assert.Nil(t, dialplan.ForRegion("XX"))
	p, _ := dialplan.ForNumber([]byte("999123"))
	assert.Nil(t, p)
	p, _ = dialplan.ForNumber(nil)
	assert.Nil(t, p)
}

func TestNoAllocation(t *testing.T) {
	digits := []byte("14155552671")
	dialplan.ForNumber(digits)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		p, n := dialplan.ForNumber(digits)
		p.Valid(digits[n:])
	}))
}

func ExampleForNumber() {
	digits := []byte("493012345678")
	p, code := dialplan.ForNumber(digits)
	fmt.Println(code, p.Valid(digits[code:]))
	// Output: 2 true
}

func BenchmarkValid(b *testing.B) {
	digits := []byte("493012345678")
	b.ReportAllocs()
	for b.Loop() {
		p, n := dialplan.ForNumber(digits)
		p.Valid(digits[n:])
	}
}

func BenchmarkLibphonenumber(b *testing.B) {
	for b.Loop() {
		parsed, _ := phonenumbers.Parse("+493012345678", "")
		phonenumbers.IsValidNumber(parsed)
	}
}
