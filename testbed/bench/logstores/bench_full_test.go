//go:build full

package logstores

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/penstockhq/penstock/testbed/internal/measure"
	"github.com/penstockhq/penstock/testbed/internal/process"
)

var (
	lines     = flag.Int("lines", 200_000, "how many log lines each store gets, whole requests of 1000")
	span      = flag.Duration("span", 24*time.Hour, "the time that the lines are spread over; it ends a minute ago")
	stores    = flag.String("stores", "standalone,unscrubbed,nojournal,victorialogs,loki", "which stores")
	rounds    = flag.Int("rounds", 5, "how often each question is asked, beside the first time")
	directory = flag.String("directory", "", "where the stores' directories are made; default: the tests' temporary directory")
)

const senders = 2 // clients that post at once

// BenchmarkStores fills the stores one after another, ends them, starts all again, and asks each question of each in turn.
//
// The first time of a question is that of a store that has just been started and none of whose files are in the page cache; it includes
// what earlier questions have read.
func BenchmarkStores(b *testing.B) {
	figures := map[string][]float64{}
	note := func(store, unit string, value float64) {
		figures[store+"-"+unit] = append(figures[store+"-"+unit], value)
	}
	for b.Loop() {
		run(b, note)
	}
	for _, unit := range slices.Sorted(maps.Keys(figures)) {
		measure.Report(b, figures[unit], unit)
	}
	b.ReportMetric(0, "ns/op")
	fmt.Print(table(strings.Split(*stores, ","), func(store, unit string) float64 { return measure.Median(figures[store+"-"+unit]) }))
}

// table is the result in Markdown, a column for each store.
func table(stores []string, figure func(store, unit string) float64) string {
	var text strings.Builder
	row := func(name string, cell func(store string) string) {
		text.WriteString("| " + name)
		for _, s := range stores {
			text.WriteString(" | " + cell(s))
		}
		text.WriteString(" |\n")
	}
	fmt.Fprintf(&text, "\n%d lines over %s, %.0f bytes of text each\n\n", newCorpus(*lines, *span).lines, *span, figure(stores[0], "text-B/row"))
	row("", func(store string) string { return store })
	row("---", func(string) string { return "---" })
	row("rows a CPU second", func(store string) string { return fmt.Sprintf("%.0f", figure(store, "rows/cpu-s")) })
	row("rows a second", func(store string) string { return fmt.Sprintf("%.0f", figure(store, "rows/s")) })
	row("bytes a row", func(store string) string { return fmt.Sprintf("%.1f", figure(store, "B/row")) })
	row("bytes a row in the log before", func(store string) string { return fmt.Sprintf("%.1f", figure(store, "log-B/row")) })
	for _, q := range questions {
		unit := strings.ReplaceAll(q.name, " ", "-")
		row(q.name+": first, then median (CPU), ms", func(store string) string {
			return fmt.Sprintf("%.0f, %.0f (%.0f)", figure(store, unit+"-first-ms"), figure(store, unit+"-ms"), figure(store, unit+"-cpu-ms"))
		})
	}
	return text.String()
}

// run is one comparison.
func run(b *testing.B, note func(store, unit string, value float64)) {
	c := newCorpus(*lines, *span)
	var all []string
	made := map[string]logStore{}
	for _, name := range strings.Split(*stores, ",") {
		require.Contains(b, makers, name)
		dir, err := os.MkdirTemp(*directory, "logstores-"+name)
		require.NoError(b, err)
		defer os.RemoveAll(dir)
		s := makers[name](b, dir)
		fill(b, c, s, func(unit string, value float64) { note(name, unit, value) })
		all, made[name] = append(all, name), s
	}
	for _, name := range all {
		made[name].begin(b)
	}
	for _, q := range questions {
		right := q.right(c)
		took, used := map[string][]float64{}, map[string][]float64{}
		for round := range *rounds + 1 {
			for _, name := range all {
				s := made[name]
				before, began := process.CPUOf(b, s.pid()), time.Now()
				answer, err := s.ask(q, c)
				ms := float64(time.Since(began).Microseconds()) / 1e3
				require.NoError(b, err, "%s: %s", name, q.name)
				if right == "" {
					right = answer
				}
				require.Equal(b, right, answer, "%s: %s: the stores are not comparable", name, q.name)
				if round == 0 {
					note(name, strings.ReplaceAll(q.name, " ", "-")+"-first-ms", ms)
					continue
				}
				took[name] = append(took[name], ms)
				used[name] = append(used[name], float64((process.CPUOf(b, s.pid()) - before).Milliseconds()))
			}
		}
		for _, name := range all {
			note(name, strings.ReplaceAll(q.name, " ", "-")+"-ms", measure.Median(took[name]))
			note(name, strings.ReplaceAll(q.name, " ", "-")+"-cpu-ms", measure.Median(used[name]))
		}
		b.Logf("%-10s %s", q.name, right)
	}
	for _, name := range all {
		made[name].end(b)
	}
}

// fill sends all lines to a store and ends it, and notes what that cost.
func fill(b *testing.B, c corpus, s logStore, note func(unit string, value float64)) {
	s.begin(b)
	idle, began := process.CPUOf(b, s.pid()), time.Now()
	text := send(b, c, s)
	for deadline := time.Now().Add(30 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		n, err := s.stored()
		if err == nil && n == c.lines {
			break
		}
		require.True(b, time.Now().Before(deadline), "%d of %d rows are stored: %v", n, c.lines, err)
	}
	took := time.Since(began)
	cpu := s.end(b) - idle
	note("rows/cpu-s", float64(c.lines)/cpu.Seconds())
	note("rows/s", float64(c.lines)/took.Seconds())
	fmt.Fprintf(os.Stderr, "%s: %d rows in %.0f s, %.0f s of CPU\n", s.intake(), c.lines, took.Seconds(), cpu.Seconds())
	note("B/row", float64(sizeOf(s.rows()))/float64(c.lines))
	note("text-B/row", float64(text)/float64(c.lines))
	note("log-B/row", float64(sizeOf(s.log()))/float64(c.lines))
	forget(b, s.rows())
}

// send posts all requests and returns how many bytes of text they had. What a store refuses for the time being comes again.
func send(b *testing.B, c corpus, s logStore) int64 {
	var next, text atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, senders)
	for range senders {
		wg.Go(func() {
			for number := int(next.Add(1)) - 1; number < c.requests(); number = int(next.Add(1)) - 1 {
				body, n, err := c.request(number)
				if err == nil {
					text.Add(int64(n))
					err = post(s.intake(), body)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		require.NoError(b, err)
	default:
	}
	return text.Load()
}

func post(address string, body []byte) error {
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		resp, err := http.Post(address, "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			return err
		}
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode < 300 {
			return nil
		}
		if later := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable; !later || time.Now().After(deadline) {
			return fmt.Errorf("%s answered %d: %s", address, resp.StatusCode, answer)
		}
	}
}

// forget takes the files of a directory out of the page cache.
func forget(b *testing.B, directory string) {
	for _, path := range filesOf(directory) {
		f, err := os.Open(filepath.Clean(path))
		require.NoError(b, err)
		require.NoError(b, f.Sync())
		require.NoError(b, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
		require.NoError(b, f.Close())
	}
}
