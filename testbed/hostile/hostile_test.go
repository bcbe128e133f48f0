package hostile

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/testbed/internal/process"
	"github.com/penstockhq/penstock/testbed/internal/send"
)

// attacks are the attacks that the process must outlive, in this order. Each returns its answers.
var attacks = []struct {
	name string
	run  func(t *testing.T, p *process.Process)
}{
	{"PromQL that is too deep, too long or endless", promQL},
	{"requests of 10^6 parts in every encoding", partsOverHTTP},
	{"requests of 10^6 parts over gRPC", partsOverGRPC},
	{"zeros in every encoding", zeros},
	{"nested two million deep", nested},
	{"10^6 metric names", names},
	{"thousands of tenants", tenants},
	{"headers and bodies that never end", slow},
	{"bombs whose last byte never comes", slowBombs},
	{"10 000 idle connections", idle},
	{"calls that are reset at once", resets},
}

// A process of 1 GiB serves an honest client whatever others send. How long that takes is reported, not asserted: other tests share the
// machine.
func TestTheProcessOutlivesHostileClients(t *testing.T) {
	p, kernel := start(t)
	client := begin(p)
	for _, a := range attacks {
		a.run(t, p)
		status, _, err := process.Fetch(t.Context(), "http://"+p.Health())
		require.NoError(t, err, "after %s\n%s", a.name, client.report())
		require.Equal(t, http.StatusOK, status, "after %s", a.name)
		t.Logf("%s: %d MiB at most; %s", a.name, p.Peak(t)>>20, client.report())
	}
	assert.Empty(t, client.end(), "every honest request is answered with success")
	assert.Less(t, p.Peak(t), int64(memory))
	t.Logf("held to 1 GiB by the kernel: %v", kernel)
	p.Terminate(t)
}

// many sends requests at once, and all are refused: for good, or for now. An error is a connection that the server has closed.
func many(t *testing.T, n int, request func(i int) (send.Answer, error)) {
	t.Helper()
	var all sync.WaitGroup
	answers := make([]send.Answer, n)
	for i := range n {
		all.Go(func() { answers[i], _ = request(i) })
	}
	all.Wait()
	for _, a := range answers {
		if a.Status != 0 {
			assert.Contains(t, []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable}, a.Status, a.Body)
		}
		assert.Less(t, len(a.Body), 1000, "no answer repeats a request")
	}
}

func promQL(t *testing.T, p *process.Process) {
	queries := []string{
		strings.Repeat("(", 1_000_000) + "1" + strings.Repeat(")", 1_000_000),
		strings.Repeat("(", 300_000),
		strings.Repeat("1+", 200_000) + "1",
		strings.Repeat("-", 15_000_000) + "1",
		`up{a=~"` + strings.Repeat("(abcdefghij){1000}", 100) + `"}`,
		`max_over_time(sum_over_time(vector(time())[100d:1s])[100d:1s])`,
	}
	many(t, 4*len(queries), func(i int) (send.Answer, error) {
		form := url.Values{"query": {queries[i%len(queries)]}}
		return send.Post(p.TSDB(), "/api/v1/query", []byte(form.Encode()), "Content-Type", "application/x-www-form-urlencoded")
	})
}

func partsOverHTTP(t *testing.T, p *process.Process) {
	for name, b := range parts() {
		for _, encoding := range encodings {
			body := encode(t, encoding, b.body)
			many(t, 4, func(int) (send.Answer, error) {
				return send.Post(p.HTTP(), b.path, body, "Content-Type", b.kind, "Content-Encoding", encoding)
			})
		}
		t.Logf("%s: %d bytes, %d with gzip", name, len(b.body), len(encode(t, "gzip", b.body)))
	}
}

func zeros(t *testing.T, p *process.Process) {
	for _, encoding := range encodings[1:] {
		body := encode(t, encoding, make([]byte, 256<<20))
		many(t, 16, func(int) (send.Answer, error) {
			return send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", "application/x-protobuf", "Content-Encoding", encoding)
		})
	}
}

func nested(t *testing.T, p *process.Process) {
	for kind, body := range map[string][]byte{
		"application/x-protobuf": deep(2_000_000, 19<<20),
		"application/json":       []byte(strings.Repeat("[", 5_000_000)),
	} {
		many(t, 4, func(int) (send.Answer, error) { return send.Post(p.HTTP(), "/v1/logs", body, "Content-Type", kind) })
	}
}

// names are admitted: a budget folds the surplus. Requests that are no longer admitted are told to retry.
func names(t *testing.T, p *process.Process) {
	for i := range 100 {
		answer, err := send.Metrics(p.HTTP(), metricsOf(10_000*i, 10_000))
		require.NoError(t, err)
		assert.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, answer.Status, answer.Body)
	}
}

func tenants(t *testing.T, p *process.Process) {
	for i := range 3000 {
		answer, err := send.Post(p.HTTP(), "/v1/metrics", gauge, "Content-Type", "application/json", "X-Scope-OrgID", fmt.Sprintf("tenant-%d", i))
		require.NoError(t, err)
		assert.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, answer.Status, answer.Body)
	}
}
