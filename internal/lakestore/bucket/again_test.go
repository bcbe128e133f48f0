package bucket_test

import (
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/bucket"
	"github.com/penstockhq/penstock/internal/lakestore/storetest"
)

// Somebody writes new keys into the credentials file before the old ones end, as tools that hand out keys for an hour do.
func TestKeysThatWereChangedAreFoundAgain(t *testing.T) {
	for _, code := range []string{"ExpiredToken", "InvalidAccessKeyId"} {
		t.Run(code, func(t *testing.T) {
			clearEnvironment(t)
			file := filepath.Join(t.TempDir(), "credentials")
			write := func(token string) {
				require.NoError(t, os.WriteFile(file, []byte("[default]\naws_access_key_id = key\naws_secret_access_key = secret\naws_session_token = "+token+"\n"), 0o600))
			}
			write("first")
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
			f := storetest.New(t)
			var valid atomic.Value
			valid.Store("first")
			f.Fault = func(_ *storetest.Store, w http.ResponseWriter, r *http.Request) bool {
				refused := r.Header.Get("X-Amz-Security-Token") != valid.Load()
				if refused {
					storetest.Refuse(w, http.StatusForbidden, code)
				}
				return refused
			}
			b := open(t, f.Location(""), bucket.Keys{})
			_, err := b.Write(t.Context(), "logs", "one", content([]byte("x")))
			require.NoError(t, err)
			write("second")
			valid.Store("second")
			if _, err = b.Write(t.Context(), "logs", "two", content([]byte("x"))); err != nil {
				_, err = b.Write(t.Context(), "logs", "two", content([]byte("x"))) // the exporter repeats it
			}
			require.NoError(t, err)
		})
	}
}

// Consoles and Hadoop make empty objects for directories. They are no files.
func TestEmptyObjectsForDirectoriesAreNoFiles(t *testing.T) {
	f := storetest.New(t)
	const dir = "logs/date=2026-11-24/hour=07/tenant=a"
	for _, name := range []string{"logs/", "logs/date=2026-11-24/", dir + "/"} {
		f.Put("some/prefix/"+name, nil)
	}
	f.Put("some/prefix/"+dir+"/x.parquet", []byte("x"))
	var found []string
	require.NoError(t, open(t, f.Location(""), keys).List(t.Context(), "logs", func(file lakestore.File) error {
		found = append(found, file.Path)
		return nil
	}))
	require.Equal(t, []string{dir + "/x.parquet"}, found)
}

// A lake without a prefix shares its bucket with others, whose parts can take days.
func TestPartsOfOthersStay(t *testing.T) {
	f := storetest.New(t)
	b := open(t, "s3://lake?path_style=true&endpoint="+f.URL, keys)
	const partition = "logs/date=2026-11-24/hour=07/tenant=a/"
	for _, name := range []string{"backup/db.tar", "tables/x.parquet", "logs/x.parquet", partition + "x.parquet", "_compacting/" + partition + "z.parquet"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL+"/lake/"+name+"?uploads", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Credential=key/")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	removed, err := b.RemoveAbandoned(t.Context(), time.Now().Add(25*time.Hour))
	require.NoError(t, err)
	require.Equal(t, 2, removed)
	require.Equal(t, 3, f.Pending())
}
