package logvalue_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // a machine without zones tests too

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
)

func Example() {
	clock := logvalue.Clock{Now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Local: time.UTC}
	at, _ := clock.Time("2026-11-24 05:00:00,250")
	fmt.Println(at, logvalue.Level("WARNING"))
	// Output: 2026-11-24 05:00:00.25 +0000 UTC Warn
}

func TestLevels(t *testing.T) {
	for words, want := range map[string]plog.SeverityNumber{
		"trace TRC finest Verbose silly":                   plog.SeverityNumberTrace,
		"debug DBG dbug FINER d":                           plog.SeverityNumberDebug,
		"FINE DEBUG2":                                      plog.SeverityNumberDebug2,
		"CONFIG Debug3":                                    plog.SeverityNumberDebug3,
		"info Information informational I default":         plog.SeverityNumberInfo,
		"notice INFO2 informational2":                      plog.SeverityNumberInfo2,
		"warn WARNING wrn w":                               plog.SeverityNumberWarn,
		"error err SEVERE fail failure eror":               plog.SeverityNumberError,
		"alert error3":                                     plog.SeverityNumberError3,
		"fatal critical crit emerg EMERGENCY panic dpanic": plog.SeverityNumberFatal,
		"fatal4": plog.SeverityNumberFatal4,
		"notice2 config2 warn5 warn1 informational44 x 2 e2": plog.SeverityNumberUnspecified,
	} {
		for _, word := range strings.Fields(words) {
			assert.Equal(t, want, logvalue.Level(word), word)
			assert.Equal(t, want, logvalue.Level(" "+strings.ToUpper(word)+"\t"), word)
		}
	}
	assert.Zero(t, logvalue.Level(""))
	assert.Zero(t, testing.AllocsPerRun(100, func() { logvalue.Level("Informational") }))
	for n, want := range map[int64]plog.SeverityNumber{10: 1, 20: 5, 30: 9, 40: 13, 50: 17, 60: 21, 0: 0, 70: 0, 35: 0, -10: 0} {
		assert.Equal(t, want, logvalue.LevelOfTens(n), n)
	}
	var syslog []plog.SeverityNumber
	for n := range 8 {
		level, word := logvalue.LevelOfSyslog(n)
		syslog = append(syslog, level)
		assert.NotEmpty(t, word)
	}
	assert.Equal(t, []plog.SeverityNumber{21, 19, 18, 17, 13, 10, 9, 5}, syslog, "as OpenTelemetry maps RFC 5424")
}

func TestTimes(t *testing.T) {
	clock := logvalue.Clock{Now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Local: time.UTC}
	want := time.Date(2026, 11, 24, 5, 0, 0, 250_000_000, time.UTC)
	for _, text := range []string{
		"2026-11-24T05:00:00.25Z", "2026-11-24t05:00:00.25z", "2026-11-24 05:00:00,250", "2026/11/24 05:00:00.250", "2026-11-24T06:00:00.25+01:00",
		"2026-11-24T06:00:00.25+0100", "2026-11-24T06:00:00.25+01", "2026-11-24 05:00:00.25 UTC", "24/Nov/2026:06:00:00.25 +0100",
		"1795496400250", "1795496400250000", "1795496400250000000", "1795496400.25", "1.79549640025e9",
	} {
		at, ok := clock.Time(text)
		assert.True(t, ok, text)
		assert.Equal(t, want, at.UTC(), text)
	}
	for _, text := range []string{"", "now", "2026-11-24", "2026-02-30T00:00:00Z", "2026-11-24T05:00:00Z and more", "12345678", "1e400", "NaN", "0x7fffffffffff", "-1795496400"} {
		_, ok := clock.Time(text)
		assert.False(t, ok, text)
	}
	at, ok := clock.Date(" 2026-11-24T05:00Z ")
	assert.True(t, ok)
	assert.Equal(t, want.Truncate(time.Second), at.UTC())
	exact, ok := logvalue.Number("1795496400.123456789")
	assert.True(t, ok)
	assert.Equal(t, 123456789, exact.Nanosecond(), "exactly")
	_, ok = logvalue.Number("0")
	assert.True(t, ok, "a number alone says what it means; a text does not")
}

// Days are counted as package time counts them.
func TestEachDay(t *testing.T) {
	clock := logvalue.Clock{Local: time.UTC}
	for day := time.Date(1970, time.January, 1, 23, 59, 58, 0, time.UTC); day.Year() < 2262; day = day.AddDate(0, 0, 1) {
		text := day.Format(time.RFC3339)
		if at, end, ok := clock.DateTimeAt(text, 0); !ok || end != len(text) || !at.Equal(day) {
			t.Fatalf("%s is read as %s", text, at)
		}
	}
}

// A time that OTLP can't hold is none, in any form: Go and .NET write the year 1 where they have no time.
func TestTimesThatOTLPCanNotHold(t *testing.T) {
	clock := logvalue.Clock{Now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Local: time.UTC}
	for _, text := range []string{"0001-01-01T00:00:00Z", "0000-01-01 00:00:00", "9999-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "2263-01-01T00:00:00Z",
		"01/Jan/0001:00:00:00 +0000", "01/Jan/2263:00:00:00 +0000", "10000000000000", "99999999999", "10000000000000000", "99999999999999999.5"} {
		at, ok := clock.Time(text)
		assert.True(t, !ok || at.UnixNano() > 0 && at.Year() < 2262, "%s is %s", text, at)
	}
	for _, n := range []int64{1e10, 1e13, 1e16, 99999999999, 99999999999999} {
		_, ok := logvalue.Since1970(n)
		assert.False(t, ok, n)
		_, ok = logvalue.Since1970Float(float64(n))
		assert.False(t, ok, n)
	}
	_, ok := clock.Time("1970-01-01T00:00:00Z")
	assert.True(t, ok)
	_, ok = clock.Time("2262-01-01T00:00:00Z")
	assert.True(t, ok)
}

// A time without a zone is what time.Date makes of it, around changes of clocks too.
func TestLocalTimes(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Monrovia", "Asia/Kolkata", "UTC"} {
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		clock := logvalue.Clock{Local: zone}
		for at := time.Date(2026, time.January, 1, 0, 7, 0, 0, time.UTC); at.Year() == 2026; at = at.Add(29 * time.Minute) {
			want := time.Date(2026, at.Month(), at.Day(), at.Hour(), at.Minute(), 0, 0, zone)
			if got := clock.In(at); !got.Equal(want) || got.String() != want.String() {
				t.Fatalf("%s: %s, want %s", at, got, want)
			}
		}
	}
}

// Whatever text comes, a time that is read lies in the years that OTLP can hold, or is refused.
func FuzzTime(f *testing.F) {
	for _, seed := range []string{"2026-11-24T05:00:00.25Z", "24/Nov/2026:06:00:00 +0100", "1795496400.25", "9223372036854775807", "2026-11-24T05:00"} {
		f.Add(seed)
	}
	clock := logvalue.Clock{Now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Local: time.UTC}
	f.Fuzz(func(t *testing.T, text string) {
		if at, ok := clock.Time(text); ok {
			assert.True(t, logvalue.Fits(at), at)
		}
		clock.Date(text)
		logvalue.Number(text)
		logvalue.Level(text)
	})
}
