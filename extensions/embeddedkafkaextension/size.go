package embeddedkafkaextension

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes. In YAML it is a plain number, or a number with one of the units KiB, MiB, GiB and TiB.
type Size int64

// UnmarshalText parses the form with a unit, and a number that was written as a string.
func (s *Size) UnmarshalText(text []byte) error {
	number, factor := strings.TrimSpace(string(text)), int64(1)
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if head, ok := strings.CutSuffix(number, unit); ok {
			number, factor = strings.TrimSpace(head), int64(1)<<(10*(i+1))
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return fmt.Errorf("%q is not a number of bytes, like 1073741824, 512MiB or 10GiB", text)
	}
	*s = Size(n * factor)
	return nil
}

// String returns s with the largest unit that divides it.
func (s Size) String() string {
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if one := Size(1) << (10 * (4 - i)); s >= one && s%one == 0 {
			return strconv.FormatInt(int64(s/one), 10) + unit
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
