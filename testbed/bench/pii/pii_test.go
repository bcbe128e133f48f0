package pii

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/redactionprocessor"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor"
	"github.com/penstockhq/penstock/testbed/internal/measure"
)

// patterns do for redaction what the detectors of pii_scrubber's default do by shape; checks beyond a pattern's reach are left out.
// The fewest patterns that cover the detectors: a longer list makes redaction slower.
var patterns = []string{
	`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`,
	`\b(?:\d[ -]?){12,18}\d\b`,
	`\b\d{3}-\d{2}-\d{4}\b`,
	`\b[A-Z]{2}\d{2}[A-Z0-9 ]{11,30}\b`,
	`\+\d[\d .()-]{7,17}\d|\(\d{3}\) ?\d{3}-\d{4}|\b\d{3}[-.]\d{3}[-.]\d{4}\b`,
	`\b(?:\d{1,3}\.){3}\d{1,3}\b`,
	`\b(?:[0-9A-Fa-f]{1,4}:){2,7}[0-9A-Fa-f:]+`,
	`\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b`,
	`eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+`,
	`://[^/\s:@]+:[^/\s@]+@`,
	`(?i)(?:password|passwd|pwd|secret|token|api_?key)["']?\s*[:=]\s*["']?[^\s"',;&]+`,
	`(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35}|gh[pousr]_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20}|xox[baprs]-[A-Za-z0-9-]+|[sr]k_live_[A-Za-z0-9]+|sk-[A-Za-z0-9_-]{20,}`,
	`-----BEGIN [A-Z ]*PRIVATE KEY-----`,
}

var clean = []string{
	`2024-03-11T10:22:33.%03dZ INFO c.e.OrderService - order 550e8400-e29b-41d4-a716-446655440%03d accepted in 35ms, 3 items, total 118.20 EUR, region eu-west-1`,
	`10.1.2.3 - - [11/Mar/2024:10:22:%02d +0000] "GET /api/v2/items/123456789?page=2&sort=asc HTTP/1.1" 200 5%02d "-" "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0"`,
	`{"level":"info","ts":1710152553.%03d,"caller":"http/server.go:118","msg":"request served","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","bytes":%d}`,
	`level=warn component=consumer msg="rebalance in progress, partitions revoked" group=tsdb topic=penstock.metrics partition=%d lag=%d elapsed=1.2s`,
}

var dirty = []string{
	`2024-03-11T10:22:33.%03dZ INFO c.e.UserService - saved user jane.doe%d@example.com in 35ms, tenant 42, region eu-west-1`,
	`payment of 12.%02d EUR with card 4111 1111 1111 1111 accepted, order %d, shop berlin-mitte, terminal 17`,
	`{"level":"info","ts":1710152553.%03d,"msg":"login","client":"81.2.69.%d","user_agent":"Mozilla/5.0 (X11; Linux x86_64)"}`,
	`level=error msg="cannot connect" dsn="postgres://app:s3cr3t%d@db.example.internal:5432/orders" attempt=%d`,
	`level=info msg="callback" phone="+1 415 555 2671" ticket=%d queue=%d`,
	`GET /cb?access_token=abcdef0123456789abcdef%d&state=xyz HTTP/1.1 302 %d`,
	`user=bob password=hunter2x%d login failed after %d attempts`,
	`ssn 536-90-4399 iban DE89370400440532013000 checked in %d ms, %d hits`,
}

// batch makes records with a body and the usual attributes; share of them is dirty.
func batch(records int, share float64) (plog.Logs, int) {
	r := rand.New(rand.NewPCG(1, 2))
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	rl.Resource().Attributes().PutStr("host.name", "node-17.eu-west-1.example.internal")
	list := rl.ScopeLogs().AppendEmpty().LogRecords()
	size := 0
	for range records {
		form := clean[r.IntN(len(clean))]
		if r.Float64() < share {
			form = dirty[r.IntN(len(dirty))]
		}
		rec := list.AppendEmpty()
		rec.Body().SetStr(fmt.Sprintf(form, r.IntN(100), r.IntN(250)))
		rec.Attributes().PutStr("log.file.name", "app.log")
		rec.Attributes().PutStr("http.route", "/api/v2/items/{id}")
		size += len(rec.Body().Str()) + len("app.log/api/v2/items/{id}")
	}
	return ld, size
}

func logsProcessor(b *testing.B, f processor.Factory, set func(component.Config)) consumer.Logs {
	b.Helper()
	cfg := f.CreateDefaultConfig()
	set(cfg)
	p, err := f.CreateLogs(context.Background(), processortest.NewNopSettings(f.Type()), cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, p.Start(context.Background(), componenttest.NewNopHost()))
	b.Cleanup(func() { require.NoError(b, p.Shutdown(context.Background())) })
	return p
}

func both(b *testing.B) (ours, theirs consumer.Logs) {
	ours = logsProcessor(b, piiscrubberprocessor.NewFactory(), func(component.Config) {})
	theirs = logsProcessor(b, redactionprocessor.NewFactory(), func(c component.Config) {
		cfg := c.(*redactionprocessor.Config)
		cfg.AllowAllKeys, cfg.BlockedValues, cfg.Summary = true, patterns, "silent"
	})
	return ours, theirs
}

// timed passes a copy of ld, made outside of the measurement.
func timed(b *testing.B, p consumer.Logs, ld plog.Logs) time.Duration {
	c := plog.NewLogs()
	ld.CopyTo(c)
	start := cputime.Spent()
	require.NoError(b, p.ConsumeLogs(context.Background(), c))
	return cputime.Spent() - start
}

func compare(b *testing.B, ld plog.Logs, size int) {
	ours, theirs := both(b)
	timed(b, ours, ld) // caches, and the validators' tables
	timed(b, theirs, ld)
	var us, them, ratio []float64
	for b.Loop() {
		t, u := timed(b, theirs, ld), timed(b, ours, ld)
		us = append(us, float64(size)/u.Seconds()/1e6)
		them = append(them, float64(size)/t.Seconds()/1e6)
		ratio = append(ratio, t.Seconds()/u.Seconds())
	}
	measure.Report(b, us, "ours-MB/s")
	measure.Report(b, them, "redaction-MB/s")
	measure.Report(b, ratio, "times-faster")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkLines(b *testing.B) {
	for _, share := range []float64{0, 0.01, 0.1, 1} {
		b.Run(fmt.Sprintf("dirty=%g%%", share*100), func(b *testing.B) {
			ld, size := batch(5000, share)
			compare(b, ld, size)
		})
	}
}

// hostile are texts made to cost: candidates everywhere that lead nowhere.
var hostile = map[string]string{
	"phones":   "phone x 0899999999999 ",
	"abroad":   "+44999999999 ",
	"calls":    "call x 9999999999 ",
	"emails":   "a@b.co ",
	"local":    "a.",
	"cards":    "4111 1111 1111 1112 ",
	"ids":      "85.07.30-033.29 943 476 5918 ",
	"iban":     "DE89 3704 0044 0532 0130 01 ",
	"flags":    "--password ",
	"brackets": "[ENC:email:k1:aaaaaaaaaaaaaaaaaaaa",
	"ats":      "a@",
	"colons":   "password:",
	"digits":   "4111 ",
	"run":      "4",
	"plus":     "+1 415 555 ",
	"schemes":  "x://a:b",
	"begin":    "-----BEGIN PRIVATE KEY-----",
	"jwt":      "eyJhbGci.",
	"equals":   "token=",
	"quotes":   "secret='",
	"dots":     "1.2.3.",
	"hex":      "ab:cd:",
	"dashes":   "sk-",
	"query":    "?a&token=",
	"national": "030 901820 ",
	"marks":    "[REDACTED:",
	"letters":  "e",
	"short":    "mysql -p ",
	"values":   `name="password" value="`,
	"sentence": "password x1 ",
	"slashes":  `password=\\\\\"`,
	"escapes":  "%204111",
	"wide":     "密码：",
	"ipv6":     "d3c1:2f1a:",
	"ones":     "1 ",
	"zeros":    "00 0 ",
	"areas":    "(030) 1",
	"pairs":    "12-34.",
	"ssns":     "000-12-3456 ",
	"clocks":   "phone 10:00:00 ",
	"pipes":    "echo x | sudo -S ",
	"braces":   `{"password","`,
	"wrapped":  `password: Some("`,
	"logins":   `auth("a","`,
	"arrows":   "token -> ",
	"by":       "identified by ",
	"args":     `"--token", "`,
	"owners":   "password for x ",
	"tools":    "mysql -p -u ",
	"blocks":   "password: |\n",
	"setuser":  "SETUSER x >",
	"spelled":  "xTel7xPhone7x9",
	"created":  "api token created: ",
	"codes":    "1234 is your ",
	"htpasswd": "htpasswd -bc ",
	"proxies":  "?u=a&p=",
	"recovery": "backup codes: 123456 ",
	"couples":  `["password","`,
	"tuples":   `{password,"`,
	"commands": "PASS a1B2c3d4 ",
	"imap":     "a1 LOGIN b ",
	"users":    "a:b1C2d3e4@",
	"heredocs": "secret=<<A\n",
	"php":      `password";s:1:"`,
	"complex":  "? password\n: ",
	"shares":   "net use /user:x ",
	"siblings": "</b><value>",
	"objects":  `{"value":"`,
	"aligned":  "password\t",
	"dotted":   "password.......",
	"changes":  `password = "x" -> "`,
	"mixed":    "k=1;x@y 12-34 +9 a:b://c eyJ.ghp_",
}

func hostileBatch(unit string, size int) (plog.Logs, int) {
	ld := plog.NewLogs()
	text := strings.Repeat(unit, size/len(unit)+1)[:size]
	ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(text)
	return ld, size
}

func names() (list []string) {
	for n := range hostile {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

func BenchmarkHostile(b *testing.B) {
	for _, name := range names() {
		b.Run(name, func(b *testing.B) {
			ld, size := hostileBatch(hostile[name], 1<<16)
			compare(b, ld, size)
		})
	}
}

// BenchmarkLinear measures 1 KiB a thousand times and 1 MiB once, interleaved.
func BenchmarkLinear(b *testing.B) {
	for _, name := range names() {
		b.Run(name, func(b *testing.B) {
			ours, _ := both(b)
			small, _ := hostileBatch(hostile[name], 1<<10)
			large, _ := hostileBatch(hostile[name], 1<<20)
			many := plog.NewLogs()
			for range 1 << 10 {
				small.ResourceLogs().At(0).CopyTo(many.ResourceLogs().AppendEmpty())
			}
			timed(b, ours, many)
			timed(b, ours, large)
			var ratio, ns []float64
			for b.Loop() {
				s, l := timed(b, ours, many), timed(b, ours, large)
				ratio = append(ratio, l.Seconds()/s.Seconds())
				ns = append(ns, float64(l.Nanoseconds())/(1<<20))
			}
			measure.Report(b, ratio, "1MiB/1KiB")
			measure.Report(b, ns, "ns/B")
			b.ReportMetric(0, "ns/op")
		})
	}
}
