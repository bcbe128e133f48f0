package command

import (
	"cmp"
	"os"

	"github.com/spf13/pflag"

	"github.com/penstockhq/penstock/internal/command/internal/adminclient"
)

// adminFlags are the flags that name the collector to query.
type adminFlags struct {
	url     string
	headers []string
}

func (a *adminFlags) declare(f *pflag.FlagSet) {
	f.StringVar(&a.url, "admin", "http://"+cmp.Or(os.Getenv("PENSTOCK_ADMIN_ENDPOINT"), "127.0.0.1:13134"), "`url` of the collector's admin address")
	f.StringArrayVar(&a.headers, "header", nil, "a `header` for the admin address, such as \"Authorization: Bearer ...\"; may be repeated")
}

func (a *adminFlags) client() (*adminclient.Client, error) { return adminclient.New(a.url, a.headers) }
