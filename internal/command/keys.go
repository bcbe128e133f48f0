package command

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/penstockhq/penstock/internal/durable"
	"github.com/penstockhq/penstock/internal/keyfile"
	"github.com/penstockhq/penstock/internal/quota"
)

// keysVariable is where the profiles find the file of keys, and so the default of --file.
const keysVariable = "PENSTOCK_KEYS_FILE"

func newKeysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Makes, lists and revokes API keys",
		Long: `Makes, lists and revokes API keys in a file, which holds hashes of them only.

PENSTOCK_KEYS_FILE names the file for the profiles, which then refuse clients without a key. A running
collector reads it again within a second.`,
		Example: `  penstock keys new --file keys.yaml --tenant acme --scope ingest,read
  penstock keys list --file keys.yaml
  penstock keys revoke --file keys.yaml 5f3kq2ab`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	file := cmd.PersistentFlags().String("file", os.Getenv(keysVariable), "the file of keys; default: "+keysVariable)
	cmd.AddCommand(newKeyCommand(file), listKeysCommand(file), revokeKeysCommand(file))
	return cmd
}

func newKeyCommand(file *string) *cobra.Command {
	var k keyfile.Key
	var expires string
	var limits func() *quota.Override
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Makes a key and prints it: this once, it is stored nowhere",
		Example: `  penstock keys new --file keys.yaml --tenant acme --scope ingest
  penstock keys new --file keys.yaml --scope forward --note "agents" --expires 90d
  penstock keys new --file keys.yaml --tenant acme --scope ingest --signal logs --service shop
  penstock keys new --file keys.yaml --tenant acme --scope ingest --bytes-per-second 20000 --burst 10s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if k.Tenant == "" && k.NeedsTenant() {
				return errors.New("no tenant is given: name it with --tenant. Only a key whose scopes are all forward or admin has none")
			}
			now := time.Now().UTC().Truncate(time.Second)
			k.Created, k.Limits = now, limits()
			if expires != "" {
				end, err := parseEnd(expires, now)
				if err != nil {
					return fmt.Errorf("--expires: %w", err)
				}
				k.Expires = &end
			}
			key := ""
			err := changeKeys(*file, true, func(f *keyfile.File) (err error) {
				key, err = f.Add(&k)
				return err
			})
			if err != nil {
				return err
			}
			cmd.PrintErrf("key %s is in %s\n", k.ID, *file)
			_, err = fmt.Fprintln(cmd.OutOrStdout(), key)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&k.Tenant, "tenant", "", "the tenant that the key sends and reads data for; not needed if the scopes are only forward or admin")
	f.StringSliceVar(&k.Scopes, "scope", []string{keyfile.Ingest}, "what the key may do: "+strings.Join(keyfile.Scopes, ", "))
	f.StringSliceVar(&k.Signals, "signal", nil, "signals that it may send: "+strings.Join(keyfile.Signals, ", ")+" (default all)")
	f.StringSliceVar(&k.Services, "service", nil, "values of service.name that it may send (default all)")
	limits = limitFlags(f)
	f.StringVar(&expires, "expires", "", "when the key expires: days or hours from now (90d, 12h), a date or an RFC 3339 time (default never)")
	f.StringVar(&k.Note, "note", "", "a note for the people who manage the keys")
	return cmd
}

// limitFlags declares the quotas of a key, and returns a function that reads them when the flags are parsed: nil if none is given.
func limitFlags(f *pflag.FlagSet) func() *quota.Override {
	bytesPerSecond := f.Int64("bytes-per-second", 0, "bytes of request bodies, as they arrive, that it may send a second; 0: no limit (default the quota of keys in the configuration)")
	itemsPerSecond := f.Int64("items-per-second", 0, "log records, data points and spans that it may send a second")
	burst := f.Duration("burst", 0, "how much unused quota it may save up, as a time; a longer burst allows higher peaks")
	bytesPerDay := f.Int64("bytes-per-day", 0, "bytes that it may send a day (UTC)")
	series := f.Int64("series", 0, "active series that its tenant may have; 0: no limit (default the budget of tenants in the configuration)")
	return func() *quota.Override {
		var o quota.Override
		for name, give := range map[string]func(){
			"bytes-per-second": func() { o.BytesPerSecond = bytesPerSecond }, "items-per-second": func() { o.ItemsPerSecond = itemsPerSecond },
			"burst": func() { o.Burst = burst }, "bytes-per-day": func() { o.BytesPerDay = bytesPerDay },
			"series": func() { o.Series = series },
		} {
			if f.Changed(name) {
				give()
			}
		}
		if o.Empty() {
			return nil
		}
		return &o
	}
}

// parseEnd parses the expiry of a key: a duration from now, or a time in the future.
func parseEnd(text string, now time.Time) (time.Time, error) {
	end, err := time.Parse(time.RFC3339, text)
	if err != nil {
		end, err = time.Parse(time.DateOnly, text)
	}
	if err != nil {
		unit, number := 24*time.Hour, strings.TrimSuffix(text, "d")
		if number == text {
			unit, number = time.Hour, strings.TrimSuffix(text, "h")
		}
		n, atoi := strconv.ParseUint(number, 10, 16)
		if atoi != nil || number == text {
			return end, fmt.Errorf("%q is neither days (90d), hours (12h), a date (2027-01-31) nor an RFC 3339 time", text)
		}
		end = now.Add(time.Duration(n) * unit)
	}
	if !end.After(now) {
		return end, fmt.Errorf("%q is in the past", text)
	}
	return end.UTC(), nil
}

func listKeysCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Lists the keys' properties, never the keys themselves",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := readKeys(*file, false)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tTENANT\tSCOPES\tSIGNALS\tSERVICES\tLIMITS\tCREATED\tEXPIRES\tNOTE")
			for _, k := range f.Keys {
				ends := "never"
				if k.Expires != nil {
					ends = k.Expires.Format(time.RFC3339)
					if !time.Now().Before(*k.Expires) {
						ends += " (expired)"
					}
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, or(k.Tenant, "-"), strings.Join(k.Scopes, ","), or(strings.Join(k.Signals, ","), "all"),
					or(strings.Join(k.Services, ","), "all"), or(k.Limits.String(), "default"), k.Created.Format(time.DateOnly), ends, k.Note)
			}
			return w.Flush()
		},
	}
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func revokeKeysCommand(file *string) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID...",
		Short:   "Takes keys out of the file, by the ids that list shows",
		Example: "  penstock keys revoke --file keys.yaml 5f3kq2ab",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			err := changeKeys(*file, false, func(f *keyfile.File) error {
				for _, id := range ids {
					k := f.Find(id)
					if k == nil {
						return fmt.Errorf("%s has no key %q: nothing was changed", *file, id)
					}
					kept := f.Keys[:0]
					for _, other := range f.Keys {
						if other != k {
							kept = append(kept, other)
						}
					}
					f.Keys = kept
				}
				return nil
			})
			if err != nil {
				return err
			}
			cmd.PrintErrf("revoked: %s\n", strings.Join(ids, ", "))
			return nil
		},
	}
}

var errNoKeysFile = errors.New("no file is given: name it with --file or " + keysVariable)

func readKeys(path string, mayBeNew bool) (*keyfile.File, error) {
	if path == "" {
		return nil, errNoKeysFile
	}
	content, err := os.ReadFile(path)
	if mayBeNew && errors.Is(err, fs.ErrNotExist) {
		return &keyfile.File{}, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := keyfile.Parse(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// changeKeys reads the file, applies change, and writes the file: atomically, by one process at a time.
func changeKeys(path string, mayBeNew bool, change func(*keyfile.File) error) (err error) {
	if path == "" {
		return errNoKeysFile
	}
	lock := flock.New(path + ".lock")
	if err := lock.Lock(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	f, err := readKeys(path, mayBeNew)
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	content, err := f.Bytes()
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err == nil && bytes.Equal(old, content) {
		return nil
	}
	return durable.WriteFile(path, content, 0o600)
}
