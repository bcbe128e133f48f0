package bucket_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/bucket"
	"github.com/penstockhq/penstock/internal/lakestore/storetest"
)

var keys = bucket.Keys{AccessKeyID: "key", SecretAccessKey: "secret"}

func open(t *testing.T, url string, k bucket.Keys) *bucket.Bucket {
	t.Helper()
	l, err := bucket.Parse(url)
	require.NoError(t, err)
	b, err := bucket.New(l, k)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func content(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		for rest := b; len(rest) > 0; rest = rest[min(len(rest), 70_001):] {
			if _, err := w.Write(rest[:min(len(rest), 70_001)]); err != nil {
				return err
			}
		}
		return nil
	}
}

func random(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

func TestFilesAreObjects(t *testing.T) {
	f := storetest.New(t)
	b := open(t, f.Location(""), keys)
	exists, err := b.Check(t.Context())
	require.NoError(t, err)
	assert.False(t, exists)

	big := random(3<<20 + 17)
	for _, size := range []int{0, 1, 1 << 20, 1<<20 + 1, len(big)} {
		w, err := b.Write(t.Context(), "logs/date=2026-11-24/tenant=a%2Fb", "range", content(big[:size]))
		require.NoError(t, err)
		assert.Equal(t, lakestore.Written{Path: "logs/date=2026-11-24/tenant=a%2Fb/range.parquet", Bytes: int64(size)}, w)
		assert.True(t, bytes.Equal(big[:size], f.Object("some/prefix/"+w.Path)), "the second replaces the first")
	}
	require.Len(t, f.Names(), 1)

	b.PartsOf(1 << 20)
	w, err := b.Write(t.Context(), "logs", "", content(big))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(big, f.Object("some/prefix/"+w.Path)), "in four parts")
	assert.Zero(t, f.Pending())
	local, _, err := lakestore.Open(t.TempDir())
	require.NoError(t, err)
	same, err := local.Write(t.Context(), "logs", "", content(big))
	require.NoError(t, err)
	assert.Equal(t, same, w, "named by its content, as on disk")
	require.NoError(t, local.Close())

	for _, name := range []string{"b", "c"} {
		_, err = b.Write(t.Context(), "logs/hour=1", name, content(nil))
		require.NoError(t, err)
	}
	_, err = b.Write(t.Context(), "traces", "t", content(nil))
	require.NoError(t, err)
	var names []string
	require.NoError(t, b.Names(t.Context(), "logs", func(name string) { names = append(names, name) }))
	slices.Sort(names)
	assert.Equal(t, []string{strings.TrimSuffix(filepath.Base(w.Path), ".parquet"), "b", "c", "range"}, names, "over all pages")
	exists, err = b.Check(t.Context())
	require.NoError(t, err)
	assert.True(t, exists)
}

func TestAFailedEncoderPutsNothing(t *testing.T) {
	f := storetest.New(t)
	boom := errors.New("boom")
	_, err := open(t, f.Location(""), keys).Write(t.Context(), "a", "b", func(w io.Writer) error {
		_, _ = w.Write([]byte("half"))
		return boom
	})
	require.ErrorIs(t, err, boom)
	var storage *lakestore.IOError
	require.False(t, errors.As(err, &storage))
	require.Empty(t, f.Names())
}

// Each fault meets the first two requests of a kind. The object is there afterwards, whole and once.
func TestFaultsOfTheStore(t *testing.T) {
	status := func(status int, code string) func(*storetest.Store, http.ResponseWriter, *http.Request) {
		return func(_ *storetest.Store, w http.ResponseWriter, _ *http.Request) { storetest.Refuse(w, status, code) }
	}
	reset := func(_ *storetest.Store, w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 1000)
		panic(http.ErrAbortHandler)
	}
	for name, fault := range map[string]func(*storetest.Store, http.ResponseWriter, *http.Request){
		"500":                           status(http.StatusInternalServerError, "InternalError"),
		"SlowDown":                      status(http.StatusServiceUnavailable, "SlowDown"),
		"reset in the middle of a body": reset,
		"done, and the answer is lost": func(f *storetest.Store, _ http.ResponseWriter, r *http.Request) {
			f.Serve(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		},
	} {
		for _, kind := range []string{"PUT", "begin", "part", "complete"} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				f := storetest.New(t)
				f.Config.ErrorLog = nil
				f.Fault = func(f *storetest.Store, w http.ResponseWriter, r *http.Request) bool {
					q := r.URL.Query()
					is := map[string]bool{
						"PUT": r.Method == http.MethodPut && !q.Has("partNumber"), "part": q.Has("partNumber"),
						"begin": r.Method == http.MethodPost && q.Has("uploads"), "complete": r.Method == http.MethodPost && q.Has("uploadId"),
					}
					if !is[kind] || f.Count(kind) >= 2 {
						return false
					}
					fault(f, w, r)
					return true
				}
				b := open(t, f.Location(""), keys)
				if kind != "PUT" {
					b.PartsOf(1 << 20)
				}
				body := random(2<<20 + 5)
				_, err := b.Write(t.Context(), "logs", "range", content(body))
				var storage *lakestore.IOError
				if err != nil { // a completed object whose parts are gone: the exporter writes it again
					require.ErrorAs(t, err, &storage)
					require.NotErrorIs(t, err, bucket.ErrRefused)
					_, err = b.Write(t.Context(), "logs", "range", content(body))
				}
				require.NoError(t, err)
				assert.True(t, bytes.Equal(body, f.Object("some/prefix/logs/range.parquet")))
				assert.Len(t, f.Names(), 1)
			})
		}
	}
}

func TestABodyThatIsDamagedOnTheWayIsNotAccepted(t *testing.T) {
	f := storetest.New(t)
	f.Fault = func(f *storetest.Store, w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || f.Count("PUT") > 0 {
			return false
		}
		body, _ := io.ReadAll(r.Body)
		body[0] ^= 1
		r.Body = io.NopCloser(bytes.NewReader(body))
		f.Serve(w, r)
		return true
	}
	w, err := open(t, f.Location(""), keys).Write(t.Context(), "logs", "range", content([]byte("body")))
	require.NoError(t, err)
	require.Equal(t, "body", string(f.Object("some/prefix/"+w.Path)), "the store refused the first, and the second was whole")
	require.Equal(t, 2, f.Count("PUT"))
}

func TestPartsOfAFailedObjectAreTakenBack(t *testing.T) {
	f := storetest.New(t)
	f.Fault = func(_ *storetest.Store, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("partNumber") != "2" {
			return false
		}
		storetest.Refuse(w, http.StatusForbidden, "AccessDenied")
		return true
	}
	b := open(t, f.Location(""), keys)
	b.PartsOf(1 << 20)
	_, err := b.Write(t.Context(), "logs", "range", content(random(2<<20)))
	require.ErrorIs(t, err, bucket.ErrRefused)
	require.Zero(t, f.Pending())
	require.Empty(t, f.Names())
}

func TestPartsOfADeadWriterAreTakenBackADayLater(t *testing.T) {
	f := storetest.New(t)
	b := open(t, f.Location(""), keys)
	req, err := http.NewRequest(http.MethodPost, f.URL+"/lake/some/prefix/logs/date=2026-11-24/hour=07/tenant=a/x.parquet?uploads", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Credential=key/")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 1, f.Pending())
	removed, err := b.RemoveAbandoned(t.Context(), time.Now())
	require.NoError(t, err)
	require.Zero(t, removed, "it may be alive")
	removed, err = b.RemoveAbandoned(t.Context(), time.Now().Add(25*time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1, removed)
	require.Zero(t, f.Pending())
}

func TestEncryptionIsAskedFor(t *testing.T) {
	f := storetest.New(t)
	b := open(t, f.Location("&encryption=aws:kms&kms_key_id=mine"), keys)
	_, err := b.Write(t.Context(), "logs", "one", content([]byte("x")))
	require.NoError(t, err)
	b.PartsOf(1 << 20)
	_, err = b.Write(t.Context(), "logs", "parts", content(random(2<<20)))
	require.NoError(t, err)
	for _, name := range []string{"one", "parts"} {
		assert.Equal(t, "aws:kms", f.Header("some/prefix/logs/"+name+".parquet", "X-Amz-Server-Side-Encryption"), name)
		assert.Equal(t, "mine", f.Header("some/prefix/logs/"+name+".parquet", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"), name)
	}
	b = open(t, f.Location("&encryption=AES256"), keys)
	_, err = b.Write(t.Context(), "logs", "own", content([]byte("x")))
	require.NoError(t, err)
	assert.Equal(t, "AES256", f.Header("some/prefix/logs/own.parquet", "X-Amz-Server-Side-Encryption"))
}

func TestCheckTellsAWrongConfigurationFromAStoreThatIsAway(t *testing.T) {
	clearEnvironment(t)
	f := storetest.New(t)
	other := strings.Replace(f.Location(""), "s3://lake/", "s3://other/", 1)
	_, err := open(t, other, keys).Check(t.Context())
	require.ErrorIs(t, err, bucket.ErrGone)
	require.ErrorIs(t, err, bucket.ErrRefused)
	_, err = open(t, f.Location(""), bucket.Keys{AccessKeyID: "wrong", SecretAccessKey: "x"}).Check(t.Context())
	require.ErrorIs(t, err, bucket.ErrRefused)
	require.ErrorContains(t, err, "InvalidAccessKeyId")
	_, err = open(t, strings.Replace(f.Location(""), "http://", "https://", 1), keys).Check(t.Context())
	require.ErrorIs(t, err, bucket.ErrRefused, "TLS where there is none")

	url := f.Location("")
	f.Close()
	_, err = open(t, url, keys).Check(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, bucket.ErrRefused)
	var storage *lakestore.IOError
	require.ErrorAs(t, err, &storage)
}

// clearEnvironment hides the keys that this machine may have.
func clearEnvironment(t *testing.T) {
	for _, v := range []string{"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(v, "")
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
}

func TestKeysComeFromWhereAWSToolsLook(t *testing.T) {
	clearEnvironment(t)
	f := storetest.New(t)
	t.Run("variables", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "key")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
		_, err := open(t, f.Location(""), bucket.Keys{}).Check(t.Context())
		require.NoError(t, err)
	})
	t.Run("file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials")
		require.NoError(t, os.WriteFile(path, []byte("[lake]\naws_access_key_id = key\naws_secret_access_key = secret\n"), 0o600))
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", path)
		t.Setenv("AWS_PROFILE", "lake")
		_, err := open(t, f.Location(""), bucket.Keys{}).Check(t.Context())
		require.NoError(t, err)
	})
	t.Run("container", func(t *testing.T) {
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"AccessKeyId":"key","SecretAccessKey":"secret","Token":"t","Expiration":"2099-01-01T00:00:00Z"}`)
		}))
		t.Cleanup(service.Close)
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.URL+"/keys")
		_, err := open(t, f.Location(""), bucket.Keys{}).Check(t.Context())
		require.NoError(t, err)
	})
	t.Run("a service that is away", func(t *testing.T) {
		service := httptest.NewServer(http.NotFoundHandler())
		service.Close()
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.URL+"/keys")
		_, err := open(t, f.Location(""), bucket.Keys{}).Check(t.Context())
		require.ErrorContains(t, err, "no keys")
		require.ErrorContains(t, err, "connection refused")
		require.NotErrorIs(t, err, bucket.ErrRefused)
	})
	t.Run("a token that is missing", func(t *testing.T) {
		t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", filepath.Join(t.TempDir(), "token"))
		t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/lake")
		t.Setenv("AWS_REGION", "us-east-1")
		_, err := open(t, f.Location(""), bucket.Keys{}).Check(t.Context())
		require.ErrorContains(t, err, "token: no such file")
		_, err = open(t, f.Location(""), bucket.Keys{}).Write(t.Context(), "logs", "range", content([]byte("body")))
		require.ErrorContains(t, err, "token: no such file", "nothing is sent without a signature")
	})
	t.Run("half of a pair", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "key")
		_, err := open(t, f.Location(""), bucket.Keys{}).Check(t.Context())
		require.ErrorContains(t, err, "a key and its secret belong together, and there is only one of them in the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
		require.ErrorIs(t, err, bucket.ErrRefused)
	})
}
