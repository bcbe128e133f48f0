package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap/zaptest"

	"github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/store"
)

func settings(t *testing.T, directory string) store.Settings {
	return store.Settings{Directory: directory, Retention: 7 * 24 * time.Hour, MaxTenants: 4, Memory: 64 << 20, StreamFields: []string{"host.name"},
		Log: zaptest.NewLogger(t)}
}

func open(t *testing.T, directory string) *store.Store {
	t.Helper()
	s, err := store.Open(settings(t, directory))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// at is a batch of a record of the journal, of one tenant.
func at(tenant string, offset int64) store.Batch {
	return store.Batch{At: store.Position{Log: "penstock.logs-0/x/0", Offset: offset}, Received: time.Now(), TenantOf: func(pcommon.Map) string { return tenant }}
}

// records returns n records of a service, a second apart, the last of now.
func records(service string, n int) plog.Logs {
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", service)
	rl.Resource().Attributes().PutStr("k8s.pod.name", service+"-1")
	sl := rl.ScopeLogs().AppendEmpty()
	for i := range n {
		lr := sl.LogRecords().AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(time.Duration(i-n) * time.Second)))
		lr.Body().SetStr(fmt.Sprintf("request %d was served", i))
		lr.SetSeverityNumber(plog.SeverityNumberInfo)
		lr.Attributes().PutInt("number", int64(i))
	}
	return ld
}

// rows runs a query and returns each row as name=value in the order of the fields' names.
func rows(t *testing.T, s *store.Store, q store.Query) []map[string]string {
	t.Helper()
	var all []map[string]string
	require.NoError(t, s.Run(t.Context(), q, func(b *store.Block) error {
		for i := range b.Len() {
			row := map[string]string{}
			for _, c := range b.Columns() {
				if c.Values[i] != "" {
					row[strings.Clone(c.Name)] = strings.Clone(c.Values[i])
				}
			}
			all = append(all, row)
		}
		return nil
	}))
	return all
}

func count(t *testing.T, s *store.Store, q store.Query) string {
	t.Helper()
	q.Text += " | count() n"
	found := rows(t, s, q)
	if len(found) == 0 {
		return "0"
	}
	return found[0]["n"]
}

var everything = store.View{All: true}

func TestRowsAreThereAfterAFlushAndAReopening(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	added, err := s.AddLogs(t.Context(), records("checkout", 3), at("acme", 7))
	require.NoError(t, err)
	assert.Equal(t, 3, added.Rows)
	require.NoError(t, s.Flush(t.Context()))
	for range 2 {
		assert.Equal(t, "3", count(t, s, store.Query{Text: "*", View: everything}))
		assert.Equal(t, "0", count(t, s, store.Query{Text: "*", View: everything, Signal: store.Traces}))
		found := rows(t, s, store.Query{Text: `{service.name="checkout"} "request 1"`, View: store.View{Tenant: "acme"}})
		require.Len(t, found, 1)
		row := found[0]
		assert.NotEmpty(t, row["_time"])
		assert.NotEmpty(t, row["_stream_id"])
		delete(row, "_time")
		delete(row, "_stream_id")
		assert.Equal(t, map[string]string{
			"_msg": "request 1 was served", "_stream": `{service.name="checkout"}`, "level": "info", "severity_number": "9", "number": "1",
			"service.name": "checkout", "resource.service.name": "checkout", "resource.k8s.pod.name": "checkout-1", "penstock_tenant": "acme",
			"penstock_log": "penstock.logs-0/x/0", "penstock_offset": "7", "penstock_index": "1",
		}, row)
		assert.Equal(t, "0", count(t, s, store.Query{Text: "*", View: store.View{Tenant: "other"}}))
		require.NoError(t, s.Close())
		s = open(t, dir)
	}
}

func TestSpans(t *testing.T) {
	s := open(t, t.TempDir())
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "checkout")
	span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID([16]byte{1})
	span.SetSpanID([8]byte{2})
	span.SetParentSpanID([8]byte{3})
	span.SetName("POST /cart")
	span.SetKind(ptrace.SpanKindServer)
	start := time.Now()
	span.SetStartTimestamp(pcommon.NewTimestampFromTime(start))
	span.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(1500 * time.Microsecond)))
	span.Status().SetCode(ptrace.StatusCodeError)
	span.Status().SetMessage("no stock")
	span.Attributes().PutStr("http.method", "POST")
	span.Attributes().PutStr("kind", "mine")
	e := span.Events().AppendEmpty()
	e.SetName("exception")
	e.SetTimestamp(5)
	e.Attributes().PutDouble("share", 0.5)
	l := span.Links().AppendEmpty()
	l.SetTraceID([16]byte{4})
	added, err := s.AddTraces(t.Context(), td, at("acme", 1))
	require.NoError(t, err)
	assert.Equal(t, 1, added.Rows)
	require.NoError(t, s.Flush(t.Context()))
	found := rows(t, s, store.Query{Text: "duration:>1000000 events:exception", View: everything, Signal: store.Traces})
	require.Len(t, found, 1)
	for name, want := range map[string]string{
		"_msg": "POST /cart", "kind": "server", "duration": "1500000", "status": "error", "status_message": "no stock", "http.method": "POST", "attribute.kind": "mine",
		"trace_id": "01000000000000000000000000000000", "span_id": "0200000000000000", "parent_span_id": "0300000000000000",
		"events": `[{"time":5,"name":"exception","attributes":{"share":0.5}}]`, "links": `[{"trace_id":"04000000000000000000000000000000","span_id":""}]`,
	} {
		assert.Equal(t, want, found[0][name], name)
	}
}

func TestWhatIsKnownOfALog(t *testing.T) {
	s := open(t, t.TempDir())
	for offset := range int64(4) {
		_, err := s.AddLogs(t.Context(), records("checkout", 100), at("acme", offset))
		require.NoError(t, err)
	}
	known, err := s.Known(t.Context(), store.Logs, "penstock.logs-0/x/0", 2, 100)
	require.NoError(t, err)
	assert.Equal(t, 200, known.Len(), "also those that are in memory")
	assert.Equal(t, int64(4), known.Next())
	assert.Nil(t, known.At(1))
	require.NotNil(t, known.At(2))
	assert.True(t, known.At(2)(99))
	assert.False(t, known.At(2)(100))
	other, err := s.Known(t.Context(), store.Logs, "penstock.logs-0/x/1", 0, 100)
	require.NoError(t, err)
	assert.Zero(t, other.Len(), "another generation's offsets are others")
	every, err := s.Known(t.Context(), store.Logs, "penstock.logs-0/x/", 2, 100)
	require.NoError(t, err)
	assert.Equal(t, 200, every.Len(), "those of all generations")
	assert.Equal(t, int64(4), every.Next())
	for _, log := range []string{"penstock.logs-0/x", "penstock.logs-0/x/0/", "penstock.logs-0/y/"} {
		none, err := s.Known(t.Context(), store.Logs, log, 0, 100)
		require.NoError(t, err)
		assert.Zero(t, none.Len(), log)
	}

	b := at("acme", 3)
	b.Known = known.At(3)
	added, err := s.AddLogs(t.Context(), records("checkout", 101), b)
	require.NoError(t, err)
	assert.Equal(t, store.Added{Rows: 1, Known: 100}, added)
	require.NoError(t, s.Flush(t.Context()))
	assert.Equal(t, "401", count(t, s, store.Query{Text: "*", View: everything}))
}

func TestWhatIsRefused(t *testing.T) {
	s := open(t, t.TempDir())
	ld := records("checkout", 5)
	all := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	all.At(0).SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(-8 * 24 * time.Hour)))
	all.At(1).SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(25 * time.Hour)))
	all.At(2).SetTimestamp(pcommon.Timestamp(1<<64 - 1))
	all.At(3).Body().SetStr(strings.Repeat("x", 2<<20))
	added, err := s.AddLogs(t.Context(), ld, at("acme", 0))
	require.NoError(t, err)
	want := store.Added{Rows: 1}
	want.Refused[store.TooOld], want.Refused[store.Future], want.Refused[store.TooLarge] = 1, 2, 1
	assert.Equal(t, want, added)
	for i := range 4 {
		added, err = s.AddLogs(t.Context(), records("checkout", 2), at(fmt.Sprint("tenant", i), 0))
		require.NoError(t, err)
	}
	assert.Equal(t, 2, added.Refused[store.TooManyTenants])
	require.NoError(t, s.Flush(t.Context()))
	assert.Equal(t, "7", count(t, s, store.Query{Text: "*", View: everything}))
	counted := map[string]int64{}
	s.Refused(func(r store.Reason, n int64) { counted[r.String()] = n })
	assert.Equal(t, map[string]int64{"too_old": 1, "future": 2, "too_large": 1, "max_tenants": 2}, counted)
}

// Attributes that can be no field are kept beside, and nothing that a sender names takes the place of the store's own.
func TestAttributesOfAllSorts(t *testing.T) {
	s := open(t, t.TempDir())
	ld := records("checkout", 1)
	lr := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	a := lr.Attributes()
	a.PutStr("level", "mine")
	a.PutStr("service.name", "mine")
	a.PutStr("penstock_offset", "99")
	a.PutStr("_stream", "mine")
	a.PutStr(strings.Repeat("n", 129), "long")
	a.PutEmptyMap("http").PutStr("method", "GET")
	a.PutEmptySlice("list").AppendEmpty().SetInt(1)
	a.PutEmpty("empty")
	_, err := s.AddLogs(t.Context(), ld, at("acme", 5))
	require.NoError(t, err)
	require.NoError(t, s.Flush(t.Context()))
	row := rows(t, s, store.Query{Text: "*", View: everything})[0]
	for name, want := range map[string]string{
		"level": "info", "attribute.level": "mine", "service.name": "checkout", "attribute.service.name": "mine", "penstock_offset": "5", "attribute.penstock_offset": "99",
		"attribute._stream": "mine", "http.method": "GET", "list": "[1]", "penstock_more": `{"` + strings.Repeat("n", 129) + `":"long"}`,
	} {
		assert.Equal(t, want, row[name], name)
	}
	for name := range row {
		part, attribute := s.Split(store.Logs, name)
		if part == store.Attribute {
			assert.Equal(t, name, s.NameOf(store.Logs, attribute))
		}
	}
}

func TestOneStoreInADirectory(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := store.Open(settings(t, dir))
	require.ErrorIs(t, err, store.ErrInUse)
}

func TestAStoreThatWasReplacedIsNoticed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := s.AddLogs(t.Context(), records("checkout", 1), at("acme", 0))
	require.NoError(t, err)
	position, err := s.Sync(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Holds(position))
	require.NoError(t, s.Close())
	s = open(t, dir)
	require.NoError(t, s.Holds(position))
	require.NoError(t, s.Close())
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "data")))
	require.NoError(t, os.Remove(filepath.Join(dir, "flushes.json")))
	s = open(t, dir)
	var gone *store.GoneError
	require.ErrorAs(t, s.Holds(position), &gone)
}

func TestErasedRowsDontComeBack(t *testing.T) {
	s := open(t, t.TempDir())
	for i, tenant := range []string{"other", "acme"} {
		_, err := s.AddLogs(t.Context(), records("checkout", 10), at(tenant, int64(i)))
		require.NoError(t, err)
	}
	erasure := store.Erasure{ID: "one", Tenant: "acme", Filter: `{service.name="checkout"} _time:1h number:=3`, At: time.Now()}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.Erase(ctx, erasure))
	require.NoError(t, s.Flush(t.Context()))
	assert.Equal(t, "9", count(t, s, store.Query{Text: "*", View: store.View{Tenant: "acme"}}))
	assert.Equal(t, "10", count(t, s, store.Query{Text: "*", View: store.View{Tenant: "other"}}))

	known, err := s.Known(t.Context(), store.Logs, "penstock.logs-0/x/0", 0, 100)
	require.NoError(t, err)
	b := at("acme", 1)
	b.Received, b.Again, b.Known = b.Received.Add(-time.Hour), true, known.At(1)
	added, err := s.AddLogs(t.Context(), records("checkout", 10), b)
	require.NoError(t, err)
	assert.Equal(t, store.Added{Known: 9, Erased: 1}, added)
	added, err = s.AddLogs(t.Context(), records("checkout", 10), at("acme", 2))
	require.NoError(t, err)
	assert.Equal(t, 10, added.Rows, "what comes later stays")
}

// A client was answered, then rows were erased: what the journal still delivers of them is not stored, also where the tenant had no rows yet.
func TestErasedRowsThatAreStillOnTheirWayDontCome(t *testing.T) {
	s := open(t, t.TempDir())
	b := at("acme", 0)
	b.Received = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.Erase(ctx, store.Erasure{ID: "one", Tenant: "acme", Filter: `number:=3`, At: b.Received.Add(time.Millisecond)}))
	added, err := s.AddLogs(t.Context(), records("checkout", 10), b)
	require.NoError(t, err)
	assert.Equal(t, store.Added{Rows: 9, Erased: 1}, added)
	b = at("acme", 1)
	b.Received = time.Now().Add(time.Second)
	added, err = s.AddLogs(t.Context(), records("checkout", 10), b)
	require.NoError(t, err)
	assert.Equal(t, 10, added.Rows, "what comes later stays")
}

// The engine ends the process at block_stats behind a pipe that makes a field, and where a pipe compares a field that is the same in all rows with
// their time; also in a subquery.
func TestQueriesThatWouldEndTheProcess(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := s.AddLogs(t.Context(), records("checkout", 10), at("acme", 0))
	require.NoError(t, err)
	require.NoError(t, s.Flush(t.Context()))
	run := func(text string) error {
		return s.Run(t.Context(), store.Query{Text: text, View: everything}, func(*store.Block) error { return nil })
	}
	for text, want := range map[string]string{
		"* | hash(number) as h | block_stats":                                   "block_stats: it must be the first pipe",
		"* | copy number n\n|  block_stats | limit 1":                           "block_stats: it must be the first pipe",
		"* | union (* | len(_msg) as l | block_stats)":                          "block_stats: it must be the first pipe",
		`* | format "(|" as x | block_stats`:                                    "block_stats: it must be the first pipe",
		"number:in(* | copy number n | block_stats | fields n)":                 "block_stats: it must be the first pipe",
		"* | limit 5 | filter nope:eq_field(_time)":                             "they can't compare with _time",
		`* | limit 5 | filter nope:lt_field("_time") or number:1`:               "they can't compare with _time",
		"* | copy _time as t | filter nope:le_field(t)":                         "they can't compare with _time",
		"* | mv _* t* | filter number:1 | stats count() if (x:eq_field(ttime))": "they can't compare with _time",
		"* | format if (nope:eq_field(_time)) \"x\" as y":                       "they can't compare with _time",
		// The brackets of a range need not be of one kind.
		"* | hash(number) as h | filter number:range(1, 5] | block_stats":                         "block_stats: it must be the first pipe",
		"* | filter number:range(1, 5] | hash(number) as h | block_stats":                         "block_stats: it must be the first pipe",
		"number:in(* | copy number n | filter number:range[1, 5) | block_stats | fields n)":       "block_stats: it must be the first pipe",
		"number:in(* | limit 5 | filter number:range[1, 5) nope:eq_field(_time) | fields number)": "they can't compare with _time",
	} {
		err := run(text)
		var wrong *store.QueryError
		require.ErrorAs(t, err, &wrong, text)
		assert.ErrorContains(t, err, want, text)
	}
	for _, text := range []string{
		"* | block_stats", `"| x | block_stats" | fields _msg`, "* | block_stats | sort by (field) | limit 3", "* | union (* | block_stats)",
		"nope:eq_field(_time)", "(number:lt_field(_time) or number:1) | copy number as n", "* | filter number:eq_field(nope)", "* | filter nope:eq_field(_time)",
	} {
		assert.NoError(t, run(text), text)
	}
}

// A row on its way can't be compared with the rows of a query, and has no stream id and no type of storage yet: such filters leave it, negated ones too.
func TestAnErasureLeavesRowsOnTheirWayThatItCantJudge(t *testing.T) {
	for _, filter := range []string{
		"!number:in(number:<5 | fields number)", "!_stream_id:in(* | fields _stream_id)", "!_stream_id:" + strings.Repeat("0", 48), "number:value_type(string)", "!number:eq_field(_stream_id)",
	} {
		s := open(t, t.TempDir())
		b := at("acme", 0)
		b.Received = time.Now()
		require.NoError(t, s.Erase(t.Context(), store.Erasure{ID: "one", Tenant: "acme", Filter: filter, At: b.Received.Add(time.Millisecond)}), filter)
		added, err := s.AddLogs(t.Context(), records("checkout", 10), b)
		require.NoError(t, err)
		assert.Equal(t, store.Added{Rows: 10}, added, filter)
	}
}

func TestAnErasureThatWouldEndTheProcess(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := s.AddLogs(t.Context(), records("checkout", 10), at("acme", 0))
	require.NoError(t, err)
	require.NoError(t, s.Flush(t.Context()))
	for _, filter := range []string{
		"number:in(* | hash(number) as h | block_stats | fields h)",
		"number:in(* | hash(number) as h | BLOCK_STATS | fields h)",
		"number:in(* | hash(number) as h # it's one\n| block_stats | fields h)",
		"number:in(* | limit 5 | filter nope:eq_field (_time) | fields number)",
	} {
		err := s.Erase(t.Context(), store.Erasure{ID: "one", Tenant: "acme", Filter: filter, At: time.Now()})
		var wrong *store.QueryError
		assert.ErrorAs(t, err, &wrong, filter)
	}
}

func TestAFilterThatEndsWithAComment(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := s.AddLogs(t.Context(), records("checkout", 10), at("acme", 0))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.Erase(ctx, store.Erasure{ID: "one", Tenant: "acme", Filter: "* # all of them", At: time.Now()}))
	assert.Equal(t, "0", count(t, s, store.Query{Text: "*", View: everything}))
}

// The engine leaves out rows past the 2000th name in a block. Names past a stream's budget are kept beside, so that every row is stored.
func TestEveryRowIsStoredHoweverManyNamesThereAre(t *testing.T) {
	s := open(t, t.TempDir())
	const n, each = 300, 10
	ld := records("checkout", n)
	for i, lr := range ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
		for k := range each {
			lr.Attributes().PutStr(fmt.Sprintf("id-%d-%d", i, k), "v")
		}
	}
	added, err := s.AddLogs(t.Context(), ld, at("acme", 0))
	require.NoError(t, err)
	assert.Equal(t, n, added.Rows)
	require.NoError(t, s.Flush(t.Context()))
	all := rows(t, s, store.Query{Text: "*", View: everything})
	require.Len(t, all, n)
	values := 0
	for _, row := range all {
		for name, v := range row {
			switch {
			case strings.HasPrefix(name, "id-"):
				values++
			case name == store.MoreField:
				values += strings.Count(v, `"id-`)
			}
		}
	}
	assert.Equal(t, n*each, values, "no value is lost")
}
