package ledgerextension_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/penstockhq/penstock/extensions/ledgerextension"
	"github.com/penstockhq/penstock/extensions/ledgerextension/internal/metadatatest"
	"github.com/penstockhq/penstock/internal/ledger"
	"github.com/penstockhq/penstock/internal/readmetest"
	"github.com/penstockhq/penstock/internal/receipt"
)

const nine = ledger.Hour(500_000) // 2027-01-15T08:00:00Z

// sourceOf is a follower of one partition; tail is the journal's content after its book.
type sourceOf struct {
	sink, signal string
	book         *ledger.Book
	start, end   int64
	tail         map[int64]ledger.Content
	err          error
}

func (s *sourceOf) Sink() string                { return s.sink }
func (s *sourceOf) Signal() string              { return s.signal }
func (s *sourceOf) Journal() string             { return "p." + s.signal }
func (s *sourceOf) Own() map[int32]*ledger.Book { return map[int32]*ledger.Book{0: s.book} }

func (s *sourceOf) All(context.Context) ([]ledger.Partition, error) {
	return []ledger.Partition{{Index: 0, Start: s.start, End: s.end, Book: s.book, Missing: "nobody knows"}}, s.err
}

func (s *sourceOf) Scan(_ context.Context, _ int32, first, next, maxBytes int64, each func(int64, ledger.Content)) (int64, error) {
	for o := first; o < next; o++ {
		if maxBytes--; maxBytes < 0 {
			return o, nil
		}
		if c, ok := s.tail[o]; ok {
			each(o, c)
		}
	}
	return next, nil
}

func record(items int64) ledger.Content {
	return ledger.Content{Tenant: "acme", Hour: nine, Items: items, Events: []ledger.HourItems{{Hour: nine - 1, Items: items}}}
}

// bookOf has received 10 items in the records 0 to 4.
func bookOf(f ledger.Fates) *ledger.Book {
	b := ledger.NewBook(0)
	b.Batch(0, 5, []ledger.Content{record(10)}, f)
	b.Next = 5
	return b
}

// host has an admin extension, and serves mounted handlers.
type host struct {
	component.Host
	mux *http.ServeMux
}

func (h *host) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{component.MustNewID("admin"): h}
}
func (*host) Start(context.Context, component.Host) error { return nil }
func (*host) Shutdown(context.Context) error              { return nil }

func (h *host) Mount(id, _ string, handler http.Handler) (func(), error) {
	h.mux.Handle("/"+id+"/", http.StripPrefix("/"+id, handler))
	return func() {}, nil
}

func (h *host) get(t *testing.T, path string, into any) int {
	t.Helper()
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if into != nil {
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), into), w.Body.String())
	}
	return w.Code
}

type extension interface {
	component.Component
	Follow(ledger.Source) func()
}

func start(t *testing.T, tel *componenttest.Telemetry, change func(*ledgerextension.Config), sources ...ledger.Source) (extension, *host) {
	t.Helper()
	f := ledgerextension.NewFactory()
	set := extensiontest.NewNopSettings(f.Type())
	set.ID = component.NewID(f.Type())
	if tel != nil {
		set.TelemetrySettings = tel.NewTelemetrySettings()
	}
	cfg := f.CreateDefaultConfig().(*ledgerextension.Config)
	if change != nil {
		change(cfg)
	}
	e, err := f.Create(t.Context(), set, cfg)
	require.NoError(t, err)
	h := &host{componenttest.NewNopHost(), http.NewServeMux()}
	for _, s := range sources {
		e.(extension).Follow(s)
	}
	require.NoError(t, e.Start(t.Context(), h))
	t.Cleanup(func() { require.NoError(t, e.Shutdown(context.Background())) })
	return e.(extension), h
}

type rowsAnswer struct {
	By       string `json:"by"`
	Balanced bool   `json:"balanced"`
	Rows     []struct {
		Signal, Tenant, Hour string
		Received             int64
		Stored, Dropped      map[string]int64
		Folded, Buffered     int64
		Sinks                map[string]struct{ Stored, Buffered, Unseen, Unaccounted int64 }
	} `json:"rows"`
	Created []map[string]any `json:"created"`
	Missing []struct{ Signal, Sink, Why string }
}

// Two sinks of one signal: the lake has everything, tsdb is one record behind and has folded and dropped some.
func twoSinks() (lake, tsdb *sourceOf) {
	lake = &sourceOf{sink: "lake", signal: "metrics", book: bookOf(ledger.Fates{Stored: 10}), end: 6, tail: map[int64]ledger.Content{5: record(4)}}
	lake.book.Batch(5, 6, []ledger.Content{record(4)}, ledger.Fates{Stored: 4})
	lake.book.Next = 6
	tsdb = &sourceOf{sink: "tsdb", signal: "metrics", book: bookOf(ledger.Fates{Stored: 7, Folded: 2, Dropped: []ledger.Drop{{Reason: "too_old", Items: 1}}}), end: 6, tail: lake.tail}
	tsdb.book.Create(nine, ledger.Fates{Stored: 3})
	return lake, tsdb
}

func TestRowsAddUp(t *testing.T) {
	lake, tsdb := twoSinks()
	_, h := start(t, nil, nil, lake, tsdb)
	for by, wantHour := range map[string]string{"receipt": "2027-01-15T08:00:00Z", "event": "2027-01-15T07:00:00Z"} {
		var a rowsAnswer
		require.Equal(t, http.StatusOK, h.get(t, "/v1/ledger/?signal=metrics&tenant=acme&from=&to=&by="+by, &a))
		require.Len(t, a.Rows, 1)
		r := a.Rows[0]
		assert.True(t, a.Balanced)
		assert.Equal(t, wantHour, r.Hour)
		assert.EqualValues(t, 14, r.Received)
		assert.Equal(t, map[string]int64{"lake": 14, "tsdb": 7}, r.Stored)
		assert.EqualValues(t, 2, r.Folded)
		assert.EqualValues(t, map[string]int64{"too_old": 1}, r.Dropped)
		assert.EqualValues(t, 4, r.Buffered)
		sum := r.Stored["lake"] + r.Stored["tsdb"] + r.Folded + r.Dropped["too_old"] + r.Buffered
		assert.Equal(t, 2*r.Received, sum, "for each sink what was received")
		assert.Empty(t, a.Missing)
	}
	var a rowsAnswer
	h.get(t, "/v1/ledger/", &a)
	assert.Len(t, a.Created, 1, "what nobody received stands apart")
	h.get(t, "/v1/ledger/?from=2027-01-15T09:00:00Z", &a)
	assert.Empty(t, a.Rows)
	h.get(t, "/v1/ledger/?signal=logs", &a)
	assert.Empty(t, a.Rows)
	assert.Equal(t, http.StatusBadRequest, h.get(t, "/v1/ledger/?from=2027-01-15T09:30:00Z", nil), "no whole hour")
	assert.Equal(t, http.StatusBadRequest, h.get(t, "/v1/ledger/?form=2027-01-15T09:00:00Z", nil))
	assert.Equal(t, http.StatusFound, h.get(t, "/ledger/", nil), "the console has the page")
}

// An answer is never about more than the request asked for.
func TestWrongQuestionsAreRefused(t *testing.T) {
	lake, tsdb := twoSinks()
	_, h := start(t, nil, nil, lake, tsdb)
	const eight, ten = "2027-01-15T08:00:00Z", "2027-01-15T10:00:00Z"
	for query, want := range map[string]string{
		"tenant=acme;signal=logs":          "the query can't be read",
		"tenant=%zz":                       "the query can't be read",
		"signal=LOGS":                      "signal: must be metrics, logs or traces",
		"signal=logs&signal=metrics":       "signal: is given more than once",
		"tennant=":                         "tennant: is not a known parameter; the parameters are signal, tenant, from, to and by",
		"by=Event":                         "by: must be receipt or event",
		"from=2027-01-15":                  "from: must be a whole hour",
		"from=2027-01-15T08:00:00%2B05:30": "from: must be a whole hour",
		"to=0001-01-01T00:00:00Z":          "to: must be a whole hour",
		"to=1768464000":                    "to: must be a whole hour",
		"from=" + ten + "&to=" + eight:     "from: must be before to",
		"from=" + ten + "&to=" + ten:       "from: must be before to",
	} {
		for _, path := range []string{"/v1/ledger/", "/v1/usage/"} {
			var a struct{ Error string }
			assert.Equal(t, http.StatusBadRequest, h.get(t, path+"?"+query, &a), path+query)
			assert.Contains(t, a.Error, want, path+query)
		}
	}
	for query, rows := range map[string]int{
		"from=" + eight + "&to=2027-01-15T09:00:00Z":        1,
		"from=2027-01-15T13:30:00%2B05:30":                  1, // eight
		"from=" + eight + "&by=event":                       0,
		"to=" + eight:                                       0,
		"from=1000-01-01T00:00:00Z&to=9999-12-31T23:00:00Z": 1,
		"tenant=nobody":                                     0,
		"signal=&tenant=&from=&to=&by=":                     1,
	} {
		var a rowsAnswer
		require.Equal(t, http.StatusOK, h.get(t, "/v1/ledger/?"+query, &a), query)
		assert.Len(t, a.Rows, rows, query)
	}
	assert.Equal(t, http.StatusNotFound, h.get(t, "/v1/ledger/metrics", nil))
	assert.Equal(t, http.StatusNotFound, h.get(t, "/v1/usage/metrics", nil))
}

func TestAnImbalanceIsShownAndMeasured(t *testing.T) {
	tel := componenttest.NewTelemetry()
	defer func() { require.NoError(t, tel.Shutdown(context.Background())) }()
	s := &sourceOf{sink: "loki", signal: "logs", book: bookOf(ledger.Fates{Stored: 8}), end: 5}
	_, h := start(t, tel, nil, s)
	var a rowsAnswer
	h.get(t, "/v1/ledger/", &a)
	assert.False(t, a.Balanced)
	assert.EqualValues(t, 2, a.Rows[0].Sinks["loki"].Unaccounted)
	labels := attribute.NewSet(attribute.String("signal", "logs"), attribute.String("sink", "loki"))
	metadatatest.AssertEqualExtensionLedgerUnaccountedItems(t, tel, []metricdata.DataPoint[int64]{{Attributes: labels, Value: 2}}, metricdatatest.IgnoreTimestamp())
}

func TestWhatAnAnswerDoesNotHaveItSays(t *testing.T) {
	lake, tsdb := twoSinks()
	tsdb.end, lake.end = 100, 100
	gone := &sourceOf{sink: "gone", signal: "logs", err: errors.New("no broker")}
	_, h := start(t, nil, func(c *ledgerextension.Config) { c.MaxScan = 10 }, lake, tsdb, gone)
	var a rowsAnswer
	h.get(t, "/v1/ledger/", &a)
	text, err := json.Marshal(a.Missing)
	require.NoError(t, err)
	assert.Contains(t, string(text), "no broker")
	assert.Contains(t, string(text), "more than max_scan")
	lake.book = nil
	h.get(t, "/v1/ledger/", &a)
	text, err = json.Marshal(a.Missing)
	require.NoError(t, err)
	assert.Contains(t, string(text), "nobody knows")
}

func TestWithoutAJournalItSaysWhatItCannotKnow(t *testing.T) {
	_, h := start(t, nil, nil)
	var a struct{ Error string }
	assert.Equal(t, http.StatusNotFound, h.get(t, "/v1/ledger/", &a))
	assert.Contains(t, a.Error, "this collector follows no journal")
}

// A book keeps 48 hours apart. An answer about hours before those, or of the future, says where they are counted.
func TestHoursThatAreNotKeptApartAreNamed(t *testing.T) {
	book := ledger.NewBook(0)
	for i := range int64(60) {
		c := ledger.Content{Tenant: "acme", Hour: nine + ledger.Hour(i), Items: 1, Events: []ledger.HourItems{{Hour: nine + ledger.Hour(i), Items: 1}}}
		book.Batch(i, i+1, []ledger.Content{c}, ledger.Fates{Stored: 1})
		book.Next = i + 1
	}
	ahead := ledger.Content{Tenant: "acme", Hour: nine + 59, Items: 1, Events: []ledger.HourItems{{Hour: nine + 90, Items: 1}}}
	book.Batch(60, 61, []ledger.Content{ahead}, ledger.Fates{Stored: 1})
	book.Next = 61
	_, h := start(t, nil, nil, &sourceOf{sink: "loki", signal: "logs", book: book, end: 61})
	const first, kept = "2027-01-15T08:00:00Z", "2027-01-15T20:00:00Z" // twelve of sixty hours are added up
	for query, want := range map[string][]string{
		"":                                    {},
		"?from=" + kept:                       {},
		"?to=" + first:                        {},
		"?from=" + first:                      {"hours before " + kept + " are counted in one row, earlier"},
		"?from=1000-01-01T00:00:00Z":          {"hours before " + kept + " are counted in one row, earlier"},
		"?tenant=other&from=" + first:         {},
		"?by=event&to=9999-12-31T23:00:00Z":   {"hours of the future are counted in one row, later"},
		"?by=event&to=2000-12-31T23:00:00Z":   {},
		"?by=receipt&to=9999-12-31T23:00:00Z": {},
	} {
		var a rowsAnswer
		require.Equal(t, http.StatusOK, h.get(t, "/v1/ledger/"+query, &a), query)
		require.Len(t, a.Missing, len(want), query)
		for i, text := range want {
			assert.Contains(t, a.Missing[i].Why, text, query)
		}
	}
}

// A sink whose ledger began later has not seen earlier items: they are neither an imbalance nor buffered.
func TestASinkThatCameLater(t *testing.T) {
	lake, tsdb := twoSinks()
	tsdb.book = ledger.NewBook(5)
	_, h := start(t, nil, nil, lake, tsdb)
	var a rowsAnswer
	h.get(t, "/v1/ledger/", &a)
	assert.True(t, a.Balanced)
	assert.EqualValues(t, 14, a.Rows[0].Received)
	assert.EqualValues(t, 4, a.Rows[0].Sinks["tsdb"].Buffered)
	assert.EqualValues(t, 10, a.Rows[0].Sinks["tsdb"].Unseen)
}

func TestReceipts(t *testing.T) {
	lake, tsdb := twoSinks()
	lake.tail[2] = record(1)
	_, h := start(t, nil, nil, lake, tsdb)
	var a struct {
		Records []struct {
			InJournal bool `json:"in_journal"`
			Items     int64
			Sinks     map[string]struct {
				State   string
				Dropped map[string]int64
			}
		}
	}
	require.Equal(t, http.StatusOK, h.get(t, "/v1/receipts/metrics.0-2-1.0-5-1.0-50-1", &a))
	require.Len(t, a.Records, 3)
	assert.Equal(t, "stored", a.Records[0].Sinks["lake"].State)
	assert.Equal(t, "partly", a.Records[0].Sinks["tsdb"].State)
	assert.Equal(t, map[string]int64{"too_old": 1}, a.Records[0].Sinks["tsdb"].Dropped)
	assert.EqualValues(t, 1, a.Records[0].Items)
	assert.Equal(t, "stored", a.Records[1].Sinks["lake"].State)
	assert.Equal(t, "buffered", a.Records[1].Sinks["tsdb"].State)
	assert.Equal(t, "unknown", a.Records[2].Sinks["tsdb"].State)
	assert.Equal(t, http.StatusBadRequest, h.get(t, "/v1/receipts/nonsense", nil))
	for _, never := range []string{"metrics.0-6-1", "metrics.1-0-1", "metrics.0-50-3.7-1-1"} {
		assert.Equal(t, http.StatusNotFound, h.get(t, "/v1/receipts/"+never, nil), never)
	}
	assert.Equal(t, http.StatusOK, h.get(t, "/v1/receipts/logs.0-0-1", nil), "no sink takes logs, so nobody knows the journal's end")
}

// A record that one sink's journal has was there, whatever is known of the others'.
func TestAReceiptThatOneSinkKnows(t *testing.T) {
	for _, err := range []error{nil, errors.New("no leader")} {
		for _, ends := range [][2]int64{{6, 2}, {2, 6}} {
			one := &sourceOf{sink: "loki", signal: "logs", book: bookOf(ledger.Fates{Stored: 10}), end: ends[0]}
			other := &sourceOf{sink: "lake", signal: "logs", book: bookOf(ledger.Fates{Stored: 10}), end: ends[1]}
			for _, s := range []*sourceOf{one, other} {
				if s.end == 2 {
					s.err = err
				}
			}
			_, h := start(t, nil, nil, one, other)
			assert.Equal(t, http.StatusOK, h.get(t, "/v1/receipts/logs.0-4-1", nil), "%v %v", ends, err)
			want := http.StatusNotFound
			if err != nil {
				want = http.StatusOK
			}
			assert.Equal(t, want, h.get(t, "/v1/receipts/logs.0-7-1", nil), "%v %v", ends, err)
		}
	}
}

// Retention has deleted the records up to 10, and the sink had those up to 5.
func TestReceiptsBehindRetention(t *testing.T) {
	late := &sourceOf{sink: "loki", signal: "logs", book: bookOf(ledger.Fates{Stored: 10}), start: 10, end: 20, tail: map[int64]ledger.Content{12: record(1)}}
	later := &sourceOf{sink: "lake", signal: "logs", book: ledger.NewBook(15), start: 10, end: 20, tail: late.tail}
	_, h := start(t, nil, nil, late, later)
	for offset, want := range map[string][2]string{"3": {"stored", "delivered"}, "7": {"lost", "delivered"}, "12": {"buffered", "delivered"}, "17": {"buffered", "buffered"}} {
		var a struct {
			Records []struct {
				InJournal bool `json:"in_journal"`
				Sinks     map[string]struct{ State string }
			}
		}
		require.Equal(t, http.StatusOK, h.get(t, "/v1/receipts/logs.0-"+offset+"-1", &a), offset)
		require.Len(t, a.Records, 1)
		assert.Equal(t, want, [2]string{a.Records[0].Sinks["loki"].State, a.Records[0].Sinks["lake"].State}, offset)
		assert.Equal(t, offset == "12", a.Records[0].InJournal, offset)
	}
}

func TestReceiptsWithoutAJournal(t *testing.T) {
	_, h := start(t, nil, nil)
	assert.Equal(t, http.StatusNotFound, h.get(t, "/v1/receipts/logs.0-0-1", nil))
}

// A client gets a receipt if it requests one and its request was accepted.
func TestTheMiddlewareAnswersWithAReceipt(t *testing.T) {
	e, _ := start(t, nil, nil)
	wrap, err := e.(interface {
		GetHTTPHandler(context.Context) (func(context.Context, http.Handler) (http.Handler, error), error)
	}).GetHTTPHandler(t.Context())
	require.NoError(t, err)
	status := http.StatusOK
	handler, err := wrap(t.Context(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		receipt.Written(r.Context(), "logs", 0, 7)
		w.WriteHeader(status)
	}))
	require.NoError(t, err)
	ask := func(want string) string {
		r := httptest.NewRequest(http.MethodPost, "/v1/logs", strings.NewReader(""))
		r.Header.Set("penstock-receipt", want)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Header().Get("penstock-receipt")
	}
	assert.Equal(t, "logs.0-7-1", ask("want"))
	assert.Empty(t, ask(""))
	status = http.StatusServiceUnavailable
	assert.Empty(t, ask("want"))
}

func TestInvalidConfiguration(t *testing.T) {
	cfg := ledgerextension.NewFactory().CreateDefaultConfig().(*ledgerextension.Config)
	require.NoError(t, confmap.Validate(cfg))
	cfg.MaxScan, cfg.Timeout = -1, time.Minute
	err := confmap.Validate(cfg)
	assert.ErrorContains(t, err, "max_scan: -1 must not be negative")
	assert.ErrorContains(t, err, "timeout: 1m0s must be from 1s to 25s")
}

func TestReadmeExamplesLoad(t *testing.T) {
	assert.Len(t, readmetest.Load(t, "extensions", ledgerextension.NewFactory(), nil), 1)
}
