package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/ask"
	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// Killed three times in the middle of a load, the process has every acknowledged record once in its store of logs, which LogsQL counts.
func TestKillInTheMiddleOfALoadOfSearchableLogs(t *testing.T) {
	p := process.Start(t, process.Settings{})
	for round := range 3 {
		load := send.StartLoadOf(fmt.Sprint("load-", round), p.HTTP(), 4, batch)
		load.Await(t, 4_000+round*3_000)
		p.Kill()
		load.Stop()

		p.Restart(t)
		doubled, unacknowledged := 0, 0
		ask.Eventually(t, func() error {
			rows, distinct, err := searched(p, round)
			if err == nil {
				doubled, unacknowledged, err = load.Reconcile(rows, distinct)
			}
			return err
		})
		assert.Zero(t, doubled, "records that the store has twice")
		t.Logf("round %d: acknowledged %d, stored without an answer %d", round, load.Acknowledged(), unacknowledged)
	}
}

// searched counts the rows and the distinct ids that LogsQL finds of each batch of a load.
func searched(p *process.Process, round int) (rows, distinct map[int]int, err error) {
	query := fmt.Sprintf(`{service.name="load-%d"} | fields _msg`, round)
	resp, err := http.PostForm("http://"+p.Query()+"/select/logsql/query", url.Values{"query": {query}})
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	rows, distinct = map[int]int{}, map[int]int{}
	seen := map[int]bool{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		var row struct {
			Msg string `json:"_msg"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return nil, nil, fmt.Errorf("%d: %q", resp.StatusCode, lines.Text())
		}
		id, err := strconv.Atoi(strings.TrimPrefix(row.Msg, "id "))
		if err != nil {
			return nil, nil, err
		}
		rows[id/batch]++
		if !seen[id] {
			seen[id] = true
			distinct[id/batch]++
		}
	}
	return rows, distinct, lines.Err()
}

// Acknowledged records can be searched a few seconds later, logs and spans separately, and over every route of the API.
func TestSearchableAfterTheAnswer(t *testing.T) {
	p := process.Start(t, process.Settings{})
	answer, err := send.Logs(p.HTTP(), send.LogBatch("shop", 0, 100))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.Status, answer.Body)
	answered := time.Now()
	ask.Eventually(t, func() error { return answers(p, "query", url.Values{"query": {`"id 42" | fields _msg`}}, `"id 42"`) })
	t.Logf("searchable %s after the answer", time.Since(answered).Round(10*time.Millisecond))
	for _, c := range []struct{ route, query, want string }{
		{"stats_query", `{service.name="shop"} | stats count() n`, `"n"},"value":[`},
		{"stats_query_range", `* | stats by (level) count() n`, `{"__name__":"n","level":"info"}`},
		{"hits", `*`, `"total":100`},
		{"facets", `*`, `"facets":[`},
		{"field_names", `*`, `{"value":"http.route","hits":100}`},
		{"field_values", `*`, `{"value":"/cart/{id}","hits":100}`},
		{"streams", `*`, `service.name=\"shop\"`},
		{"stream_field_names", `*`, `{"value":"service.name","hits":100}`},
		{"stream_field_values", `*`, `{"value":"shop","hits":100}`},
	} {
		form := url.Values{"query": {c.query}, "step": {"1h"}}
		switch c.route {
		case "field_values":
			form.Set("field", "http.route")
		case "stream_field_values":
			form.Set("field", "service.name")
		}
		assert.NoError(t, answers(p, c.route, form, c.want), c.route)
	}
	assert.NoError(t, answers(p, "query", url.Values{"query": {"| nonsense"}}, "query"), "a mistake is said")
}

// answers says whether the answer of a route has a text.
func answers(p *process.Process, route string, form url.Values, want string) error {
	status, body, err := process.Fetch(context.Background(), "http://"+p.Query()+"/select/logsql/"+route+"?"+form.Encode())
	if err != nil {
		return err
	}
	if !strings.Contains(body, want) {
		return fmt.Errorf("%d %s: %s", status, route, body)
	}
	return nil
}
