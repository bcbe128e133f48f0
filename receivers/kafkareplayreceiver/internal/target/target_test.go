package target_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/target"
)

var thursday = time.Date(2026, 11, 26, 10, 20, 0, 0, time.UTC)

// store answers like Prometheus or Loki, and keeps the requests.
type store struct {
	*httptest.Server

	mu      sync.Mutex
	answers map[string]string // by path; guarded by mu
	seen    []string          // guarded by mu
}

// says sets the answer at path, and 404 if text is "404".
func (s *store) says(path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = text
}

// asked returns the requests so far.
func (s *store) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func newStore(t *testing.T, answers map[string]string) *store {
	t.Helper()
	s := &store{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil { // as Prometheus does
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen = append(s.seen, fmt.Sprint(r.URL.Path, r.Form["match[]"], r.Form["query"], r.Form["start"], r.Form["end"]))
		text, ok := s.answers[r.URL.Path]
		if !ok || text == "404" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s
}

func head(from, to time.Time) string {
	return fmt.Sprintf(`{"data":{"headStats":{"minTime":%d,"maxTime":%d}}}`, from.UnixMilli(), to.UnixMilli())
}

func prometheus(s *store) *target.Prometheus {
	return &target.Prometheus{Label: "prom", URL: s.URL, Client: http.DefaultClient}
}

func TestHowFarBackPrometheusTakesSamples(t *testing.T) {
	for name, c := range map[string]struct {
		config, head string
		maxAge       time.Duration
		want         time.Time
	}{
		"no window":          {"global: {}", head(thursday.Add(-2*time.Hour), thursday), 0, thursday},
		"a window":           {"storage: {tsdb: {out_of_order_time_window: 1d2h}}", head(thursday.Add(-2*time.Hour), thursday), 0, thursday.Add(-26 * time.Hour)},
		"behind its newest":  {"storage: {tsdb: {out_of_order_time_window: 30m}}", head(thursday.Add(-9*time.Hour), thursday.Add(-8*time.Hour)), 0, thursday.Add(-8*time.Hour - 30*time.Minute)},
		"an empty head":      {"global: {}", `{"data":{"headStats":{"minTime":9223372036854775807,"maxTime":-9223372036854775808}}}`, 0, time.Time{}},
		"a narrower max_age": {"storage: {tsdb: {out_of_order_time_window: 1w}}", head(thursday.Add(-2*time.Hour), thursday), time.Hour, thursday.Add(-time.Hour)},
	} {
		s := newStore(t, map[string]string{"/api/v1/status/config": fmt.Sprintf(`{"data":{"yaml":%q}}`, c.config), "/api/v1/status/tsdb": c.head})
		p := prometheus(s)
		p.MaxAge = c.maxAge
		oldest, _, err := p.Oldest(t.Context(), thursday)
		require.NoError(t, err, name)
		assert.True(t, c.want.Equal(oldest), "%s: %s", name, oldest)
	}
	_, _, err := prometheus(newStore(t, nil)).Oldest(t.Context(), thursday)
	assert.ErrorContains(t, err, "404")
}

func TestWherePrometheusCanReplace(t *testing.T) {
	from := thursday.Add(-48 * time.Hour)
	for name, c := range map[string]struct {
		flags, head string
		to          time.Time
		want        string
	}{
		"the admin API is off":                 {`{"data":{"web.enable-admin-api":"false"}}`, head(thursday.Add(-2*time.Hour), thursday), thursday.Add(-24 * time.Hour), "--web.enable-admin-api"},
		"the range is in blocks":               {`{"data":{"web.enable-admin-api":"true"}}`, head(thursday.Add(-2*time.Hour), thursday), thursday.Add(-24 * time.Hour), ""},
		"the range reaches into the head":      {`{"data":{"web.enable-admin-api":"true"}}`, head(thursday.Add(-48*time.Hour), thursday), thursday.Add(-24 * time.Hour), "in its head"},
		"the embedded one writes blocks first": {`{"data":{"web.enable-admin-api":"true","storage.tsdb.delete-compacts-head":"true"}}`, head(thursday.Add(-48*time.Hour), thursday), thursday.Add(-24 * time.Hour), ""},
		"but not the last":                     {`{"data":{"web.enable-admin-api":"true","storage.tsdb.delete-compacts-head":"true"}}`, head(thursday.Add(-48*time.Hour), thursday), thursday.Add(-10 * time.Minute), "create the job after samples of 2026-11-26T12:00:00Z have arrived"},
		"nor the rollups at its edge":          {`{"data":{"web.enable-admin-api":"true","storage.tsdb.delete-compacts-head":"true"}}`, head(thursday.Add(-48*time.Hour), thursday), thursday.Truncate(2 * time.Hour), "newer than 2026-11-26T10:00:00Z"},
		"up to it":                             {`{"data":{"web.enable-admin-api":"true","storage.tsdb.delete-compacts-head":"true"}}`, head(thursday.Add(-48*time.Hour), thursday), thursday.Truncate(2 * time.Hour).Add(-time.Millisecond), ""},
	} {
		err := prometheus(newStore(t, map[string]string{"/api/v1/status/flags": c.flags, "/api/v1/status/tsdb": c.head})).CanReplace(t.Context(), from, c.to)
		if c.want == "" {
			assert.NoError(t, err, name)
			continue
		}
		assert.ErrorIs(t, err, target.ErrCannotReplace, name)
		assert.ErrorContains(t, err, c.want, name)
	}
	mimir := newStore(t, nil)
	assert.ErrorIs(t, prometheus(mimir).CanReplace(t.Context(), from, thursday), target.ErrCannotReplace, "it has no such API")
	mimir.Close()
	assert.NotErrorIs(t, prometheus(mimir).CanReplace(t.Context(), from, thursday), target.ErrCannotReplace, "it may come back")
}

// hour is the fence of a leader that stays for an hour.
func hour(context.Context) (time.Time, error) { return time.Now().Add(time.Hour), nil }

// A leader that was suspended after its check wakes when its successor has already written what this deletion would delete.
func TestADeletionThatIsLateIsNotSent(t *testing.T) {
	s := newStore(t, map[string]string{
		"/api/v1/admin/tsdb/delete_series": "", "/api/v1/admin/tsdb/clean_tombstones": "", "/api/v1/query": `{"data":{"result":[]}}`,
	})
	from, to := time.Unix(1000, 0), time.Unix(2000, 0)
	late := func(context.Context) (time.Time, error) { return time.Now().Add(-time.Nanosecond), nil }
	assert.ErrorIs(t, prometheus(s).Replace(t.Context(), []string{"up"}, from, to, late), target.ErrLate)
	elsewhere := errors.New("another one leads")
	lost := func(context.Context) (time.Time, error) { return time.Now().Add(time.Hour), elsewhere }
	assert.ErrorIs(t, prometheus(s).Replace(t.Context(), []string{"up"}, from, to, lost), elsewhere)
	assert.Empty(t, s.asked())

	asked := 0
	once := func(context.Context) (time.Time, error) {
		if asked++; asked > 1 {
			return time.Time{}, elsewhere
		}
		return time.Now().Add(time.Hour), nil
	}
	assert.ErrorIs(t, prometheus(s).Replace(t.Context(), []string{"up"}, from, to, once), elsewhere)
	assert.Len(t, s.asked(), 1, "each deletion asks anew")
}

func TestReplaceDeletesRawAndRollupsAndLooksWhetherTheyAreGone(t *testing.T) {
	s := newStore(t, map[string]string{
		"/api/v1/admin/tsdb/delete_series": "", "/api/v1/admin/tsdb/clean_tombstones": "", "/api/v1/query": `{"data":{"result":[]}}`,
	})
	from, to := time.Unix(1000, 0), time.Unix(2000, 0)
	require.NoError(t, prometheus(s).Replace(t.Context(), []string{`{job="shop"}`, "up"}, from, to, hour))
	assert.Equal(t, []string{
		`/api/v1/admin/tsdb/delete_series[{job="shop",rollup_window=""}] [] [1000.000] [1999.999]`,
		`/api/v1/admin/tsdb/delete_series[{job="shop",rollup_window!=""}] [] [1000.001] [2000.000]`,
		`/api/v1/admin/tsdb/delete_series[up{rollup_window=""}] [] [1000.000] [1999.999]`,
		`/api/v1/admin/tsdb/delete_series[up{rollup_window!=""}] [] [1000.001] [2000.000]`,
		`/api/v1/admin/tsdb/clean_tombstones[] [] [] []`,
		`/api/v1/query[] [sum(count_over_time({job="shop",rollup_window=""}[1000000ms]))] [] []`,
		`/api/v1/query[] [sum(count_over_time({job="shop",rollup_window!=""}[1000000ms]))] [] []`,
		`/api/v1/query[] [sum(count_over_time(up{rollup_window=""}[1000000ms]))] [] []`,
		`/api/v1/query[] [sum(count_over_time(up{rollup_window!=""}[1000000ms]))] [] []`,
	}, s.asked())
	s.says("/api/v1/query", `{"data":{"result":[{"value":[1,"7"]}]}}`)
	assert.ErrorIs(t, prometheus(s).Replace(t.Context(), []string{"up"}, from, to, hour), target.ErrLeft)
	s.says("/api/v1/admin/tsdb/delete_series", "404")
	assert.NotErrorIs(t, prometheus(s).Replace(t.Context(), []string{"up"}, from, to, hour), target.ErrLeft)
}

func TestHowFarBackLokiTakesEntries(t *testing.T) {
	for name, c := range map[string]struct {
		config string
		behind time.Duration
		want   time.Duration // 0: any
	}{
		"defaults":                              {"auth_enabled: false", 0, 168 * time.Hour},
		"old samples are refused":               {"limits_config: {reject_old_samples: true, reject_old_samples_max_age: 2h}", 0, 2 * time.Hour},
		"old samples are taken":                 {"limits_config: {reject_old_samples: false}", 0, 0},
		"late entries in the stream of others":  {"ingester: {max_chunk_age: 6h}", 8760 * time.Hour, 3 * time.Hour},
		"late entries in streams that are long": {"ingester: {max_chunk_age: 1h}", 0, 30 * time.Minute},
		"late entries in streams short enough":  {"ingester: {max_chunk_age: 1h}", 30 * time.Minute, 168 * time.Hour},
		"both":                                  {"ingester: {max_chunk_age: 800h}\nlimits_config: {reject_old_samples_max_age: 1w}", 8760 * time.Hour, 168 * time.Hour},
	} {
		s := newStore(t, map[string]string{"/config": c.config})
		l := &target.Loki{Label: "loki", URL: s.URL, Client: http.DefaultClient, MaxBehind: c.behind}
		oldest, why, err := l.Oldest(t.Context(), thursday)
		require.NoError(t, err, name)
		if c.want == 0 {
			assert.True(t, oldest.IsZero(), name)
		} else {
			assert.Equal(t, c.want, thursday.Sub(oldest), name)
			assert.NotEmpty(t, why, name)
		}
		assert.ErrorIs(t, l.CanReplace(t.Context(), thursday, thursday), target.ErrCannotReplace)
		assert.ErrorIs(t, l.Replace(t.Context(), nil, thursday, thursday, hour), target.ErrCannotReplace)
	}
}

func TestAConfiguredAge(t *testing.T) {
	oldest, why, err := (&target.Fixed{Label: "tempo", MaxAge: time.Hour}).Oldest(t.Context(), thursday)
	require.NoError(t, err)
	assert.Equal(t, thursday.Add(-time.Hour), oldest)
	assert.Equal(t, "max_age is 1h0m0s", why)
	oldest, _, err = (&target.Fixed{Label: "tempo"}).Oldest(t.Context(), thursday)
	require.NoError(t, err)
	assert.True(t, oldest.IsZero())
	assert.ErrorIs(t, (&target.Fixed{}).Replace(t.Context(), nil, thursday, thursday, hour), target.ErrCannotReplace)
}
