package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/penstockhq/penstock/internal/command/internal/adminclient"
	"github.com/penstockhq/penstock/internal/command/internal/tapline"
	"github.com/penstockhq/penstock/internal/tap"
)

const (
	formatText = "text"
	formatJSON = "json"
)

// tapping are the flags of the tap command.
type tapping struct {
	admin                                adminFlags
	side, signal, pipeline, kind, tenant string
	rate, limit                          int
	format                               string
	list                                 bool
}

func newTapCommand() *cobra.Command {
	t := &tapping{}
	cmd := &cobra.Command{
		Use:   "tap [COMPONENT]",
		Short: "Shows records as they pass the components of a running collector",
		Long: `Shows records as they pass the components of a running collector: a few per second, and only after its
pii_scrubber has cleaned them, also before they reach it. COMPONENT is an id (kafka_replay/lake) or a type
(kafka_replay); --list prints the components. It changes nothing.

Records go to standard output, one per line; at the end their numbers go to standard error.`,
		Example: `  penstock tap pii_scrubber --signal logs        the scrubber's input and output
  penstock tap loki --limit 10 --format json     the next ten records for a sink`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return t.run(cmd, args) },
	}
	f := cmd.Flags()
	f.StringVar(&t.side, "side", "", "before (input of components) or after (output); default both")
	f.StringVar(&t.signal, "signal", "", "logs, metrics, traces or profiles (default all)")
	f.StringVar(&t.pipeline, "pipeline", "", "`id` of a pipeline, or its signal: only the processors in it")
	f.StringVar(&t.kind, "kind", "", "receiver, processor, exporter or connector (default all)")
	f.StringVar(&t.tenant, "tenant", "", "one tenant (default all that the key may see)")
	f.IntVar(&t.rate, "rate", tap.DefaultRate, "records per second to show, at most "+strconv.Itoa(tap.MaxRate))
	f.IntVar(&t.limit, "limit", 0, "end after this number of records (default: run until Ctrl-C)")
	f.StringVar(&t.format, "format", formatText, "text or json")
	f.BoolVar(&t.list, "list", false, "print where a tap can look")
	t.admin.declare(f)
	return cmd
}

func (t *tapping) run(cmd *cobra.Command, args []string) error {
	if t.format != formatText && t.format != formatJSON {
		return fmt.Errorf("--format: %q is neither text nor json", t.format)
	}
	client, err := t.admin.client()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if t.list {
		return listPlaces(ctx, cmd, client)
	}
	query := url.Values{"rate": {strconv.Itoa(t.rate)}, "limit": {strconv.Itoa(t.limit)}}
	for name, value := range map[string]string{"side": t.side, "signal": t.signal, "pipeline": t.pipeline, "kind": t.kind, "tenant": t.tenant, "component": strings.Join(args, "")} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if err := t.mustExist(ctx, client, query); err != nil {
		return err
	}
	var last *tap.Counts
	var printed int64 // fewer than the collector has handed over if --limit is reached
	err = client.Lines(ctx, "/console/v1/tap/records", query, func(line []byte) (bool, error) {
		var other struct{ Counts *tap.Counts }
		if err := json.Unmarshal(line, &other); err != nil {
			return false, fmt.Errorf("read a line: %w", err)
		}
		if other.Counts != nil {
			last = other.Counts
			return true, nil
		}
		text := string(tapline.JSON(line))
		if t.format == formatText {
			var err error
			if text, err = tapline.Text(line); err != nil {
				return false, err
			}
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
		printed++
		return err == nil, err
	})
	if last != nil {
		last.Shown = printed
		cmd.PrintErrln(counted(*last))
	}
	return err
}

// counted describes how many records were shown, and why others were not.
func counted(c tap.Counts) string {
	text := fmt.Sprintf("%d records passed, %d were shown", c.Seen, c.Shown)
	for _, one := range []struct {
		n   int64
		why string
	}{{c.Slow, "were not shown, because they were not read in time"}, {c.Long, "were too long"}, {c.Unscrubbed, "could not be scrubbed"}} {
		if one.n > 0 {
			text += fmt.Sprintf(", %d %s", one.n, one.why)
		}
	}
	return text
}

// places is the answer of GET /console/v1/tap.
type places struct {
	Places []tap.Place `json:"places"`
}

// errNoTaps says that the collector's program does not wrap its components.
var errNoTaps = errors.New("this collector's components have no taps: its program was built without penstock's command line")

// mustExist returns an error with the existing components if nothing matches, so that nobody waits for records that can't arrive.
func (t *tapping) mustExist(ctx context.Context, client *adminclient.Client, query url.Values) error {
	var all places
	if err := client.Get(ctx, "/console/v1/tap", nil, &all); err != nil {
		return err
	}
	if len(all.Places) == 0 {
		return errNoTaps
	}
	f := tap.Filter{Side: query.Get("side"), Kind: query.Get("kind"), Component: query.Get("component"), Signal: query.Get("signal"), Pipeline: query.Get("pipeline")}
	var ids []string
	seen := map[string]bool{}
	for i := range all.Places {
		p := &all.Places[i]
		if f.Selects(p) {
			return nil
		}
		if !seen[p.Component] {
			seen[p.Component] = true
			ids = append(ids, p.Component)
		}
	}
	var given []string
	for _, name := range []string{"side", "kind", "signal", "pipeline"} {
		if value := query.Get(name); value != "" {
			given = append(given, " --"+name+" "+value)
		}
	}
	return fmt.Errorf("nothing matches%s. The components are %s; --list says where a tap can look", strings.Join(given, ""), strings.Join(ids, ", "))
}

func listPlaces(ctx context.Context, cmd *cobra.Command, client *adminclient.Client) error {
	var all places
	if err := client.Get(ctx, "/console/v1/tap", nil, &all); err != nil {
		return err
	}
	if len(all.Places) == 0 {
		return errNoTaps
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tCOMPONENT\tSIGNAL\tPIPELINE\tSIDE")
	for _, p := range all.Places {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Kind, p.Component, p.Signal, or(p.Pipeline, "-"), p.Side)
	}
	return w.Flush()
}
