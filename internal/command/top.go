package command

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstockhq/penstock/internal/command/internal/adminclient"
	"github.com/penstockhq/penstock/internal/command/internal/top"
)

// topEvery is the interval in which the table is redrawn.
const topEvery = time.Second

// Control sequences of a terminal: move the cursor to the top left, clear the rest of the line, clear everything below.
const (
	home       = "\x1b[H"
	clearRight = "\x1b[K"
	clearBelow = "\x1b[J"
)

func newTopCommand() *cobra.Command {
	var admin adminFlags
	var once bool
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Shows a running collector in the terminal: rates, the journal's fill, each sink's lag and last error",
		Long: `Shows a running collector in the terminal, redrawn each second: its input, the journal's fill, findings of
the scrubber, the guard, and each sink with its lag and its last error. It changes nothing.

With --once, or if standard output is not a terminal, it prints one table and ends. COLUMNS is the width of the
terminal (default 80).`,
		Example: "  penstock top\n  penstock top --once --admin https://gateway:13134 --header \"X-API-Key: $KEY\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := admin.client()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if once || !terminal(cmd.OutOrStdout()) {
				lines, err := table(ctx, client)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), strings.Join(lines, "\n"))
				return err
			}
			return watch(ctx, cmd.OutOrStdout(), client)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "print one table and end")
	admin.declare(cmd.Flags())
	return cmd
}

// terminal says whether w is a terminal.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// watch draws the table until ctx ends. It waits for a collector that stops answering; the first request must succeed.
func watch(ctx context.Context, w io.Writer, client *adminclient.Client) error {
	tick := time.NewTicker(topEvery)
	defer tick.Stop()
	for drawn := false; ; {
		lines, err := table(ctx, client)
		switch {
		case ctx.Err() != nil:
			_, err := fmt.Fprintln(w)
			return err
		case err != nil && !drawn:
			return err
		case err != nil:
			lines = []string{err.Error(), "", "waiting for it (Ctrl-C ends this)"}
		}
		drawn = true
		if _, err := io.WriteString(w, home+strings.Join(lines, clearRight+"\n")+clearRight+"\n"+clearBelow); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// table queries the collector for the content of the table.
func table(ctx context.Context, client *adminclient.Client) ([]string, error) {
	var about top.About
	var state top.State
	var own top.Series
	if err := client.Get(ctx, "/console/v1/about", nil, &about); err != nil {
		return nil, err
	}
	if err := client.Get(ctx, "/console/v1/state", nil, &state); err != nil {
		return nil, err
	}
	if err := client.Get(ctx, "/console/v1/series", url.Values{"name": top.Names()}, &own); err != nil {
		return nil, err
	}
	return top.Lines(about, state, own, columns()), nil
}

// columns is the width of the terminal.
func columns() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > top.Width && n <= 500 {
		return n
	}
	return top.Width
}
