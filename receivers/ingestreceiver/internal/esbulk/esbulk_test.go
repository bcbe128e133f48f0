package esbulk_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/ingestreceiver/internal/esbulk"
)

func Example() {
	items, _ := esbulk.Decode([]byte("{\"create\":{\"_id\":\"7\"}}\n{\"message\":\"hello\"}\n"), "shop", 10)
	fmt.Printf("%s %s/%s %s\n", items[0].Action, items[0].Index, items[0].ID, items[0].Source)
	// Output: create shop/7 {"message":"hello"}
}

func TestActions(t *testing.T) {
	body := `{"index":{}}
{"n":1}

{"create":{"_index":"other","_id":5,"_type":"_doc","pipeline":"x"}}` + "\r\n" + `{"n":2}
{"delete":{"_id":"d"}}
{"update":{"_id":"u","retry_on_conflict":3}}
{"doc":{}}
{"index":null}
not JSON`
	got, err := esbulk.Decode([]byte(body), "path", 5)
	require.NoError(t, err)
	want := []esbulk.Item{
		{Action: "index", Index: "path", Source: []byte(`{"n":1}`)},
		{Action: "create", Index: "other", ID: "5", Source: []byte(`{"n":2}`)},
		{Action: "delete", Index: "path", ID: "d"},
		{Action: "update", Index: "path", ID: "u", Source: []byte(`{"doc":{}}`)},
		{Action: "index", Index: "path", Source: []byte(`not JSON`)},
	}
	assert.Equal(t, want, got)
	_, err = esbulk.Decode([]byte(body), "path", 4)
	assert.ErrorIs(t, err, esbulk.ErrTooMany)
}

func TestMalformedLines(t *testing.T) {
	for body, want := range map[string]int{
		"x":                                1,
		"{}":                               1,
		"[]":                               1,
		`{"index":{}}`:                     2,
		"{\"index\":{}}\n{}\n{\"get\":{}}": 3,
		`{"index":{},"create":{}}`:         1,
		`{"index":[]}`:                     1,
		`{"index":{"_index":7}}`:           1,
	} {
		_, err := esbulk.Decode([]byte(body), "", 10)
		var malformed *esbulk.MalformedError
		require.ErrorAs(t, err, &malformed, body)
		assert.Equal(t, want, malformed.Line, body)
	}
}

func TestAnswer(t *testing.T) {
	items := []esbulk.Item{{Action: "index", Index: "a", ID: "1"}, {Action: "delete", Index: "a", ID: "2"}}
	text := esbulk.Answer(items, 3, func(at int) *esbulk.Problem {
		if at == 1 {
			return &esbulk.Problem{Status: 400, Type: "t", Reason: "r"}
		}
		return nil
	})
	assert.JSONEq(t, `{"took":3,"errors":true,"items":[
		{"index":{"_index":"a","_id":"1","_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":0,"_primary_term":1,"status":201}},
		{"delete":{"_index":"a","_id":"2","status":400,"error":{"type":"t","reason":"r"}}}]}`, string(text))
}

// Decode never panics, and every item that it returns has an answer.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("{\"index\":{}}\n{}\n{\"delete\":{\"_id\":\"1\"}}\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := esbulk.Decode(body, "i", 100)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(items), 100)
		var answer struct{ Items []json.RawMessage }
		require.NoError(t, json.Unmarshal(esbulk.Answer(items, 0, func(int) *esbulk.Problem { return nil }), &answer))
		require.Len(t, answer.Items, len(items))
	})
}
