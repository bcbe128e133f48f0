package parquetexporter

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/penstockhq/penstock/internal/lakestore/place"
	"github.com/penstockhq/penstock/internal/readmetest"
	"github.com/penstockhq/penstock/internal/tenant"
)

func load(t *testing.T, conf *confmap.Conf) (*Config, error) {
	t.Helper()
	c := createDefaultConfig().(*Config)
	if err := conf.Unmarshal(c); err != nil {
		return nil, err
	}
	return c, confmap.Validate(c)
}

func loadFile(t *testing.T, name string) *Config {
	t.Helper()
	all, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	sub, err := all.Sub(name)
	require.NoError(t, err)
	c, err := load(t, sub)
	require.NoError(t, err)
	return c
}

func TestConfigDefaults(t *testing.T) {
	c := loadFile(t, "parquet")
	assert.False(t, c.Queue.HasValue(), "no queue: the caller waits for the file")
	assert.Zero(t, c.Retry.MaxElapsedTime, "retries have no end")
	assert.Zero(t, c.Timeout.Timeout)
	assert.Equal(t, 256, c.MaxPartitions)
	root, err := place.Directory(c.URL)
	require.NoError(t, err)
	assert.Equal(t, "/var/lib/penstock/lake", root)

	root, err = place.Directory(loadFile(t, "parquet/sync").URL)
	require.NoError(t, err)
	assert.Equal(t, "./lake", root)
}

func TestConfigMaxAgeAndRowsSpeakForTheBatch(t *testing.T) {
	b := loadFile(t, "parquet/queued").batch()
	assert.Equal(t, 10*time.Second, b.FlushTimeout)
	assert.Equal(t, int64(5000), b.MinSize)
	assert.Equal(t, int64(5000), b.MaxSize)
	assert.Equal(t, []string{tenant.MetadataKey}, b.Partition.MetadataKeys)
	assert.Equal(t, exporterhelper.RequestSizerTypeItems, b.Sizer)

	c := loadFile(t, "parquet/batch")
	assert.Equal(t, 5*time.Second, c.MaxAge)
	assert.Equal(t, int64(100), c.MaxRows)
	assert.Equal(t, int64(200), c.batch().MaxSize)

	c = loadFile(t, "parquet/bytes")
	assert.Equal(t, int64(0), c.MaxRows)
	assert.Equal(t, 30*time.Second, c.batch().FlushTimeout)
	assert.Equal(t, int64(1000000), c.batch().MinSize)
}

func TestConfigRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ yaml, want string }{
		"no url":            {`{}`, "url: required"},
		"scheme":            {`{url: "ftp://bucket/lake"}`, `url: "ftp://bucket/lake": scheme "ftp" is not supported, use s3://, gs://, file:// or a path`},
		"no bucket":         {`{url: "s3:///lake"}`, "url: no bucket"},
		"query":             {`{url: "s3://b/l?regoin=eu"}`, "url: parameter regoin is unknown"},
		"half a key":        {`{url: "s3://b/l", s3: {access_key_id: a}}`, "s3: access_key_id and secret_access_key belong together"},
		"keys for a disk":   {`{url: l, s3: {access_key_id: a, secret_access_key: b}}`, "s3: keys are for a url of an object store"},
		"host":              {`{url: "file://host/lake"}`, `url: "file://host/lake": want file:///absolute/path`},
		"escape":            {`{url: "file:///a%zz"}`, `url: "file:///a%zz"`},
		"max_age":           {`{url: l, max_age: 0s}`, "max_age: must be positive, got 0s"},
		"max_rows":          {`{url: l, max_rows: -1}`, "max_rows: must not be negative, got -1"},
		"max_partitions":    {`{url: l, max_partitions: 0}`, "max_partitions: must be positive, got 0"},
		"memory queue":      {`{url: l, sending_queue: {}}`, "sending_queue::storage: required"},
		"age conflict":      {`{url: l, max_age: 1s, sending_queue: {storage: s, batch: {flush_timeout: 2s}}}`, "max_age: 1s conflicts with sending_queue::batch::flush_timeout: 2s"},
		"rows conflict":     {`{url: l, max_rows: 1, sending_queue: {storage: s, batch: {min_size: 2}}}`, "max_rows: 1 conflicts with sending_queue::batch::min_size: 2"},
		"rows and bytes":    {`{url: l, max_rows: 1, sending_queue: {storage: s, batch: {sizer: bytes}}}`, "max_rows: 1 conflicts with sending_queue::batch::sizer: bytes"},
		"no rows":           {`{url: l, max_rows: 0, sending_queue: {storage: s}}`, "max_rows: must be positive, got 0"},
		"tenant is dropped": {`{url: l, sending_queue: {storage: s, batch: {partition: {metadata_keys: [x]}}}}`, `must contain "x-scope-orgid"`},
		"unknown key":       {`{url: l, max_bytes: 1}`, "max_bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			conf, err := confmap.NewRetrievedFromYAML([]byte(tc.yaml))
			require.NoError(t, err)
			c, err := conf.AsConf()
			require.NoError(t, err)
			_, err = load(t, c)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestReadmeExamplesLoad(t *testing.T) {
	assert.GreaterOrEqual(t, len(readmetest.Load(t, "exporters", NewFactory(), nil)), 2)
}
