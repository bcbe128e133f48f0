package profileprovider_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// effective returns the value of a key, as the profile sets it or as the component's default has it.
func effective(t *testing.T, conf *confmap.Conf, path string) any {
	t.Helper()
	if conf.IsSet(path) {
		return conf.Get(path)
	}
	parts := strings.SplitN(path, "::", 3)
	factory, ok := factories[parts[0]][parts[1]]
	require.True(t, ok, path)
	cfg := factory.CreateDefaultConfig()
	all := confmap.New()
	require.NoError(t, all.Marshal(cfg))
	require.True(t, all.IsSet(parts[2]), path)
	return all.Get(parts[2])
}

// exporterhelper drops an item above a batch's max_size, and the rest of its request.
func TestNoBatchHasAnUpperBoundInBytes(t *testing.T) {
	for _, profile := range []string{"profile:agent", "profile:gateway"} {
		conf := resolve(t, map[string]string{"PENSTOCK_LOG_FILES": "/x", "PENSTOCK_OTLP_EXPORT_ENDPOINT": "x:1", "PENSTOCK_LOKI_URL": "http://x"}, profile)
		exporters, err := conf.Sub("exporters")
		require.NoError(t, err)
		require.NotEmpty(t, exporters.ToStringMap())
		for id := range exporters.ToStringMap() {
			if fmt.Sprint(exporters.Get(id+"::sending_queue::batch::sizer")) == "bytes" {
				assert.False(t, exporters.IsSet(id+"::sending_queue::batch::max_size"), id)
			}
		}
	}
}

// docs/limits.md says what holds, and what each hop lets through the next one takes.
func TestLimitsFitTogether(t *testing.T) {
	conf := resolve(t, nil, "profile:standalone")
	page, err := os.ReadFile("../../docs/limits.md")
	require.NoError(t, err)
	rows := regexp.MustCompile("(?m)^\\|[^|]*\\| `([a-z_/]+(?:::[a-z_/]+)+)` \\| ([^|]*) \\|").FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(rows), 30, "the pattern finds the rows")
	exact := regexp.MustCompile(`^[0-9]+[a-z]*$`)
	for _, row := range rows {
		value := effective(t, conf, row[1])
		if !exact.MatchString(row[2]) {
			assert.NotNil(t, value, row[1])
			continue
		}
		if want, err := time.ParseDuration(row[2]); err == nil && row[2] != "0" && strings.ContainsAny(row[2], "smh") {
			got, err := time.ParseDuration(fmt.Sprint(value))
			require.NoError(t, err, row[1])
			assert.Equal(t, want, got, row[1])
			continue
		}
		assert.Equal(t, row[2], fmt.Sprint(value), row[1])
	}

	n := func(path string) int64 {
		var n int64
		_, err := fmt.Sscan(fmt.Sprint(effective(t, conf, path)), &n)
		require.NoError(t, err, path)
		return n
	}
	wait := func(path string) time.Duration {
		d, err := time.ParseDuration(fmt.Sprint(effective(t, conf, path)))
		require.NoError(t, err, path)
		return d
	}
	const http, grpc, limit, journal = "receivers::otlp::protocols::http::", "receivers::otlp::protocols::grpc::", "extensions::nesting_limit::", "processors::kafka_replay::"
	body, item := n(limit+"max_request_size"), n(limit+"max_item_size")
	assert.Greater(t, body, item+1<<20, "an item that is too large comes in with others, and is refused alone")
	assert.Equal(t, body, n(grpc+"max_recv_msg_size_mib")<<20, "both protocols take the same")
	assert.Equal(t, body, n(http+"max_request_body_size"))
	assert.GreaterOrEqual(t, n(limit+"max_reading"), 3*body)
	assert.GreaterOrEqual(t, n(limit+"max_decoded_size"), 6*item, "honest data takes less than six times its bytes")
	assert.GreaterOrEqual(t, n(journal+"max_in_flight"), body, "the journal takes what the receiver takes")
	assert.Greater(t, n("processors::pii_scrubber::limits::max_value_bytes"), item, "what is taken is searched, not redacted for its length")
	assert.Less(t, n(journal+"max_record_size"), n("receivers::kafka_replay/tsdb::follow::range::max_bytes"))
	assert.Greater(t, wait(http+"write_timeout"), wait(limit+"read_timeout")+wait(journal+"timeout"), "an answer is written before the connection ends")
	assert.Less(t, n("processors::cardinality_guard/tsdb::limits::series"), n("extensions::embedded_tsdb::max_series"))
}
