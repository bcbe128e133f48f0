// Demo starts Penstock and sends it a small shop for two minutes, so that every view of the console has something to show: errors, a
// slow dependency, card numbers in logs, a label that explodes, late data. `make demo` runs it. Ctrl-C ends both.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/penstockhq/penstock/testbed/internal/shop"
)

const (
	budget = 100             // series a metric; the shop's exploding label has four times as many
	warmUp = 2 * time.Minute // until the binary must answer
)

func main() {
	binary := flag.String("binary", "../build/penstock", "the `file` of Penstock to start")
	data := flag.String("data", "../build/demo", "its data `directory`, which is emptied first")
	length := flag.Duration("for", 2*time.Minute, "how long the shop is open")
	to := flag.String("to", "", "send to the OTLP/HTTP listener at this `host:port` and start nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *binary, *data, *to, *length); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary, data, to string, length time.Duration) (err error) {
	var ended <-chan error // nil: nothing was started
	if data, err = filepath.Abs(data); err != nil {
		return err
	}
	if to == "" {
		var stop func() error
		if ended, stop, err = start(binary, data); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		if err := healthy(ctx, ended); err != nil {
			return err
		}
	}
	endpoint := cmp.Or(to, "127.0.0.1:4318")
	fmt.Printf("The shop opens for %s. Look at it: http://127.0.0.1:13134\n", length)
	if err := open(ctx, endpoint, length); err != nil {
		return err
	}
	if ctx.Err() != nil || ended == nil {
		return nil
	}
	from, until := shop.Incident(time.Now())
	fmt.Printf(`The shop has closed; Penstock keeps running until Ctrl-C.

From %s to %s its checkout had put user.id on shop.requests: %d series, and the budget is %d. In five clicks:
  1. http://127.0.0.1:13134/console/#/guard  says which label it was
  2. "Widen its budget" (the token is in %s)
  3. "Replay ... with the wider budget"
  4. "Preview"
  5. "Replay"
and Metrics shows shop_requests_total by user_id for that time.
`, from.Format("15:04"), until.Format("15:04"), shop.Users, budget, filepath.Join(data, "admin-token"))
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return fmt.Errorf("penstock ended: %w", err)
	}
}

// open sends the incident, then live traffic for length, then what arrives late.
func open(ctx context.Context, endpoint string, length time.Duration) error {
	if err := shop.SendIncident(ctx, endpoint, time.Now()); err != nil {
		return err
	}
	s, err := shop.Open(ctx, endpoint)
	if err != nil {
		return err
	}
	hours, closing := context.WithTimeout(ctx, length)
	defer closing()
	s.Run(hours, 20)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(s.Close(last), shop.SendLate(last, endpoint, time.Now()))
}

// start starts the binary with an empty data directory. stop ends it and waits.
func start(binary, data string) (ended <-chan error, stop func() error, err error) {
	if _, err := os.Stat(filepath.Join(data, "admin-token")); err == nil {
		if err := os.RemoveAll(data); err != nil { // Only a directory that an earlier demo made.
			return nil, nil, err
		}
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, nil, err
	}
	logs, err := os.Create(filepath.Join(data, "penstock.log"))
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(binary, "--config=profile:standalone", fmt.Sprintf("--set=processors::cardinality_guard/tsdb::limits::series_per_metric=%d", budget))
	cmd.Env = append(os.Environ(), "PENSTOCK_DATA_DIR="+data)
	cmd.Stdout, cmd.Stderr = logs, logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the demo, which then ends the child.
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(err, logs.Close())
	}
	fmt.Printf("Penstock starts; its log is %s\n", logs.Name())
	exited, seen := make(chan error, 1), make(chan struct{})
	go func() {
		err := cmd.Wait()
		exited <- fmt.Errorf("%w\n%s", cmp.Or(err, errors.New("without an error")), lastLine(logs.Name()))
		close(seen)
	}()
	return exited, func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM) // It may have ended.
		<-seen
		return logs.Close()
	}, nil
}

// lastLine returns the last line of a log: why the process ended.
func lastLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// healthy waits until the health check answers 200.
func healthy(ctx context.Context, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, warmUp)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:13133/", nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(r); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-ended:
			return fmt.Errorf("penstock ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("penstock was not ready: %w", context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}
