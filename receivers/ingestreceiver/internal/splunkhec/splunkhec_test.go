package splunkhec_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/ingestreceiver/internal/splunkhec"
)

func Example() {
	body := []byte(`{"event":"one","time":1700000000.5}{"event":{"n":2},"host":"h"}`)
	_ = splunkhec.Events(body, 10, func(number int, e splunkhec.Event, code splunkhec.Code) {
		fmt.Println(number, code, e.Time, e.Host, string(e.Event))
	})
	// Output:
	// 0 Success 1700000000.5  "one"
	// 1 Success  h {"n":2}
}

func TestCodes(t *testing.T) {
	const good = `{"event":"e"}`
	for body, want := range map[string][]splunkhec.Code{
		"":                                       nil,
		" \n":                                    nil,
		good + good + "\n" + good:                {0, 0, 0},
		good + `{"event":` + good:                {0, 6},
		good + "x":                               {0, 6},
		`{"event":""}` + good:                    {13, 0},
		`{"time":1}` + good:                      {12, 0},
		`{"event":null}`:                         {12},
		`7` + good:                               {6, 0},
		`{"event":"e","fields":[]}` + good:       {15, 0},
		`{"event":"e","fields":null,"time":"5"}`: {0},
		`{"event":0}{"event":false}{"event":[]}`: {0, 0, 0},
	} {
		var got []splunkhec.Code
		require.NoError(t, splunkhec.Events([]byte(body), 3, func(number int, _ splunkhec.Event, code splunkhec.Code) {
			require.Equal(t, len(got), number)
			got = append(got, code)
		}), body)
		assert.Equal(t, want, got, body)
	}
	assert.ErrorIs(t, splunkhec.Events([]byte(good+good), 1, func(int, splunkhec.Event, splunkhec.Code) {}), splunkhec.ErrTooMany)
}

func TestSamples(t *testing.T) {
	for body, want := range map[string][]splunkhec.Sample{
		`{"event":"metric","fields":{"metric_name:cpu.idle":1.5,"metric_name:cpu.busy":"2","host":"h"}}`: {{Name: "cpu.busy", Value: json.RawMessage(`"2"`)}, {Name: "cpu.idle", Value: json.RawMessage("1.5")}},
		`{"event":"metric","fields":{"metric_name":"m","_value":3,"host":"h"}}`:                          {{Name: "m", Value: json.RawMessage("3")}},
		`{"event":"metric","fields":{"host":"h"}}`:                                                       nil,
		`{"event":"other","fields":{"metric_name:x":1,"host":"h"}}`:                                      nil,
	} {
		require.NoError(t, splunkhec.Events([]byte(body), 1, func(_ int, e splunkhec.Event, _ splunkhec.Code) {
			assert.Equal(t, want, e.Samples(), body)
			assert.Contains(t, e.Fields, "host")
			if want != nil {
				assert.Len(t, e.Fields, 1, "the dimensions are left")
			}
		}))
	}
}

func TestLines(t *testing.T) {
	var got []string
	for line := range splunkhec.Lines([]byte("a\r\n\n  \n b\nc")) {
		got = append(got, string(line))
	}
	assert.Equal(t, []string{"a", " b", "c"}, got)
	assert.Empty(t, slices.Collect(splunkhec.Lines(nil)))
}

// Events never panics, and numbers the events without a gap.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"event":"metric","fields":{"metric_name":"m","_value":3}}{"event":1,"time":"7.5"}x`))
	f.Fuzz(func(t *testing.T, body []byte) {
		n := 0
		err := splunkhec.Events(body, 5, func(number int, e splunkhec.Event, code splunkhec.Code) {
			require.Equal(t, n, number)
			require.NotEmpty(t, code.String())
			e.Samples()
			n++
		})
		require.True(t, err != nil || n <= 5)
	})
}
