package ledgerextension

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/ledger"
)

// serveRows answers GET /v1/ledger.
func (l *ledgerExtension) serveRows(w http.ResponseWriter, r *http.Request) {
	if !reads(w, r) || !whole(w, r) {
		return
	}
	values, err := parameters(r)
	var q query
	if err == nil {
		q, err = parse(values)
	}
	if err == nil {
		err = q.confine(access.Of(r.Context()))
	}
	if err != nil {
		answerJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), l.cfg.Timeout)
	defer cancel()
	if len(l.all()) == 0 {
		answerJSON(w, http.StatusNotFound, map[string]string{"error": noJournal})
		return
	}
	answerJSON(w, http.StatusOK, l.rows(ctx, q))
}

// noJournal is the answer without a journal.
const noJournal = "this collector follows no journal, and without one the ledger can't know what was received and not stored. The internal metrics of receivers, queues and exporters have their own counts"

func reads(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "this is read only", http.StatusMethodNotAllowed)
	return false
}

// whole reports whether r's path is that of the API and not one below it, and answers the others with 404.
func whole(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path == "" || r.URL.Path == "/" {
		return true
	}
	answerJSON(w, http.StatusNotFound, map[string]string{"error": "there is nothing below this address"})
	return false
}

// parameters returns the parameters of a request. A query that can't be read is an error: without the unreadable part, it would mean something else.
func parameters(r *http.Request) (url.Values, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("the query can't be read: %w", err)
	}
	return values, nil
}

// known are the parameters of the ledger.
var known = []string{"signal", "tenant", "from", "to", "by"}

// parse parses parameters. An empty one restricts nothing.
func parse(values url.Values) (q query, err error) {
	for name, all := range values {
		if !slices.Contains(known, name) {
			return q, fmt.Errorf("%s: is not a known parameter; the parameters are %s and %s", name, strings.Join(known[:len(known)-1], ", "), known[len(known)-1])
		}
		if len(all) > 1 {
			return q, fmt.Errorf("%s: is given more than once", name)
		}
		text := all[0]
		if text == "" { // like a missing parameter
			continue
		}
		switch name {
		case "signal":
			if q.signal = text; text != "metrics" && text != "logs" && text != "traces" {
				return q, fmt.Errorf("signal: must be metrics, logs or traces")
			}
		case "tenant":
			q.tenant = text
		case "from":
			q.from, err = hour(text)
		case "to":
			q.to, err = hour(text)
		case "by":
			if text == "event" {
				q.view = ledger.ByEvent
			} else if text != "receipt" {
				err = fmt.Errorf("must be receipt or event")
			}
		}
		if err != nil {
			return q, fmt.Errorf("%s: %w", name, err)
		}
	}
	if !q.from.IsZero() && !q.to.IsZero() && !q.from.Before(q.to) {
		return q, errors.New("from: must be before to, which the range does not include")
	}
	return q, nil
}

// confine restricts q to the client's tenant, unless the client is an operator: to its rows, without numbers over all tenants.
func (q *query) confine(c access.Client) error {
	own, one := c.Tenant()
	if !one {
		return nil
	}
	if own == "" || q.tenant != "" && q.tenant != own {
		return errors.New("tenant: the API key may read its own tenant only")
	}
	q.tenant, q.confined = own, true
	return nil
}

// hour parses a whole hour.
func hour(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || !t.Equal(t.Truncate(time.Hour)) || t.IsZero() { // the zero time is no bound
		return t, fmt.Errorf("must be a whole hour such as 2026-11-30T05:00:00Z: the ledger counts by the hour")
	}
	return t.UTC(), nil
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the client is gone
}
