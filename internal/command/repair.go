package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstockhq/penstock/internal/command/internal/journal"
	"github.com/penstockhq/penstock/internal/command/internal/lake"
	"github.com/penstockhq/penstock/internal/command/internal/queues"
	"github.com/penstockhq/penstock/internal/command/internal/repair"
	"github.com/penstockhq/penstock/internal/durable"
)

const (
	dataDirVariable = "PENSTOCK_DATA_DIR"
	defaultDataDir  = "./penstock-data"
)

// repairing are the flags of the repair command.
type repairing struct {
	dataDir, lakeDir string
	apply, full      bool
}

// checks are those of all kinds of stores below a data directory. A new kind of store is one more entry.
func (r *repairing) checks() []repair.Check {
	lakeDir := r.lakeDir
	if lakeDir == "" {
		lakeDir = filepath.Join(r.dataDir, "lake")
	}
	return []repair.Check{
		journal.Check(filepath.Join(r.dataDir, "kafka")),
		queues.Check(r.dataDir, filepath.Join(r.dataDir, "kafka"), filepath.Join(r.dataDir, "tsdb"), lakeDir),
		lake.Check(lake.Settings{Root: lakeDir, Full: r.full, Now: time.Now()}),
	}
}

func newRepairCommand() *cobra.Command {
	r := &repairing{dataDir: os.Getenv(dataDirVariable)}
	if r.dataDir == "" {
		r.dataDir = defaultDataDir
	}
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Finds damaged files below a data directory, and repairs what it can",
		Long: `Finds damaged files below a data directory: the journal, queues, positions of receivers, states of processors, the lake.

Without --apply it changes nothing and says what it would do. It takes the locks of all stores, so the collector
has to be stopped. Nothing is deleted: a damaged file is renamed, and its new name printed.

It ends with 0 when nothing is damaged, or everything was repaired, and with 1 otherwise.`,
		Example: "  penstock repair --data-dir /var/lib/penstock            look\n  penstock repair --data-dir /var/lib/penstock --apply    look and repair",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	cmd.Flags().StringVar(&r.dataDir, "data-dir", r.dataDir, "`directory` that PENSTOCK_DATA_DIR names")
	cmd.Flags().StringVar(&r.lakeDir, "lake", "", "`directory` of the lake, where it is not lake below the data directory")
	cmd.Flags().BoolVar(&r.apply, "apply", false, "do what is proposed")
	cmd.Flags().BoolVar(&r.full, "full", false, "read all pages of the lake's files, not only their footers")
	return cmd
}

func (r *repairing) run(cmd *cobra.Command) error {
	if info, err := os.Stat(r.dataDir); err != nil {
		return fmt.Errorf("--data-dir: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("--data-dir: %q is not a directory", r.dataDir)
	}
	out := cmd.OutOrStdout()
	result, err := repair.Run(cmd.Context(), out, r.checks(), r.apply)
	if err != nil {
		return err
	}
	if err := listAside(out, r.dataDir); err != nil {
		return err
	}
	switch {
	case result.Found == 0:
		_, _ = fmt.Fprintln(out, "nothing is damaged")
		return nil
	case result.Left() == 0:
		_, _ = fmt.Fprintf(out, "%d repaired\n", result.Repaired)
		return nil
	case r.apply:
		return fmt.Errorf("%d repaired, %d left as they are: see \"to do\" above", result.Repaired, result.Left())
	default:
		return fmt.Errorf("%d damaged; nothing was changed. Run it again with --apply to repair", result.Found)
	}
}

// listAside prints the files that were set aside, now or earlier: they use disk space until somebody deletes them.
func listAside(out io.Writer, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() || !durable.IsAside(path) {
			return err
		}
		size := int64(0)
		if info, err := d.Info(); err == nil {
			size = info.Size()
		}
		_, err = fmt.Fprintf(out, "set aside: %s (%d bytes); delete it when nobody needs it\n", path, size)
		return err
	})
}
