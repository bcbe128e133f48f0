package jaegerapi_test

import (
	"fmt"
	"math"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Tags have the types of the attributes they are made of, as in Jaeger.
func TestTagsHaveTheTypesOfAttributes(t *testing.T) {
	s := newServer(t, nil)
	s.add("acme", spans(span{trace: 1, id: 1, service: "web", name: "GET /", takes: time.Second, change: func(sp ptrace.Span, resource pcommon.Map) {
		resource.PutInt("process.pid", 4711)
		a := sp.Attributes()
		a.PutInt("code", 500)
		a.PutInt("big", math.MaxInt64)
		a.PutDouble("ratio", 0.25)
		a.PutDouble("whole", 2)
		a.PutDouble("none", math.NaN())
		a.PutBool("cached", false)
		a.PutStr("text", "500")
		a.PutInt("kind", 3)                   // the name is taken
		a.PutInt(`odd "name"`, 1)             // not plain in JSON
		a.PutEmptyMap("deep").PutInt("er", 7) // a field of its own
		a.PutEmptySlice("list").AppendEmpty().SetInt(1)
	}}))
	found, _ := s.traces("/api/traces/"+traceID(1), nil)
	tags := map[string]string{}
	for _, tag := range append(found[0].Spans[0].Tags, found[0].Processes["p1"].Tags...) {
		tags[tag.Key] = fmt.Sprintf("%s %v", tag.Type, tag.Value)
	}
	assert.Equal(t, map[string]string{
		"process.pid": "int64 4711", "code": "int64 500", "big": "int64 9.223372036854776e+18", "ratio": "float64 0.25", "whole": "float64 2", "none": "string NaN",
		"cached": "bool false", "text": "string 500", "kind": "int64 3", `odd "name"`: "int64 1", "deep.er": "int64 7", "list": "string [1]", "penstock_tenant": "string acme",
	}, tags)
	for _, want := range []string{`{"code":500}`, `{"code":"500"}`, `{"cached":false}`, `{"ratio":0.25}`} {
		assert.Equal(t, []string{traceID(1)}, s.ids(url.Values{"service": {"web"}, "tags": {want}}), want)
	}
}

// A tag also finds spans by their events: attributes and names, the value as a whole.
func TestSearchByEvents(t *testing.T) {
	s := newServer(t, nil)
	s.add("acme", spans(span{trace: 1, id: 1, service: "web", name: "GET /", takes: time.Second, change: func(sp ptrace.Span, _ pcommon.Map) {
		sp.Events().AppendEmpty().SetName("started")
		e := sp.Events().AppendEmpty()
		e.SetName("exception")
		e.Attributes().PutStr("exception.type", "IOError")
		e.Attributes().PutStr("exception.message", `no "cart" <7> in grüße`)
		e.Attributes().PutInt("attempt", 3)
		e.Attributes().PutDouble("waited", 1.5)
		e.Attributes().PutBool("escaped", true)
		e.Attributes().PutStr("name", "of an attribute")
	}}, span{trace: 2, id: 2, service: "web", name: "GET /", takes: time.Second}))
	for tags, found := range map[string]bool{
		`{"event":"exception"}`: true, `{"event":"started"}`: true, `{"event":"exc"}`: false, `{"event":"of an attribute"}`: false, `{"name":"started"}`: false,
		`{"exception.type":"IOError"}`: true, `{"exception.type":"IO"}`: false, `{"exception.type":"Error"}`: false, `{"type":"IOError"}`: false,
		`{"exception.message":"no \"cart\" <7> in grüße"}`: true,
		`{"attempt":3}`: true, `{"attempt":"3"}`: true, `{"attempt":30}`: false, `{"waited":1}`: false, `{"waited":1.5}`: true, `{"escaped":true}`: true, `{"escaped":"tru"}`: false,
		`{"time":"1"}`: false,
	} {
		want := []string{}
		if found {
			want = []string{traceID(1)}
		}
		assert.Equal(t, want, s.ids(url.Values{"service": {"web"}, "tags": {tags}}), tags)
	}
}
