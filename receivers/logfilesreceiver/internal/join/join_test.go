package join_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/join"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/parse"
)

// trace is what an application writes of an error.
type trace struct {
	name, text, kind, message string
}

var traces = []trace{
	{"java", `java.lang.IllegalStateException: boom
	at com.example.A.b(A.java:12)
	at java.base/java.lang.Thread.run(Thread.java:833)`, "java.lang.IllegalStateException", "boom"},
	{"java, uncaught", `Exception in thread "main" java.lang.NullPointerException
	at A.main(A.java:1)`, "java.lang.NullPointerException", ""},
	{"java, nested", `com.example.OuterException: outer
	at A.a(A.java:1)
	... 3 common frames omitted
	Suppressed: java.io.IOException: closing
		at B.b(B.java:1)
Caused by: java.sql.SQLException: inner
more of it
	at C.c(C.java:1)
	... 12 more`, "com.example.OuterException", "outer"},
	{"java, a message of several lines", `java.lang.RuntimeException: first
second: of it
third
	at A.a(A.java:1)`, "java.lang.RuntimeException", "first\nsecond: of it\nthird"},
	{"python", `Traceback (most recent call last):
  File "/srv/a.py", line 1, in <module>
    f()
    ~^^
  File "/srv/a.py", line 2, in f
    raise ValueError("bad")
ValueError: bad`, "ValueError", "bad"},
	{"python, chained", `Traceback (most recent call last):
  File "a.py", line 1, in f
    1 / 0
ZeroDivisionError: division by zero

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
    g()
mypkg.errors.Boom: again`, "mypkg.errors.Boom", "again"},
	{"python, cause", `Traceback (most recent call last):
  File "a.py", line 1, in f
KeyError: 'k'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
KeyboardInterrupt`, "KeyboardInterrupt", ""},
	{"python, syntax", `Traceback (most recent call last):
  File "a.py", line 1, in <module>
    import b
  File "b.py", line 1
    def (
        ^
SyntaxError: invalid syntax`, "SyntaxError", "invalid syntax"},
	{"go", `panic: boom

goroutine 1 [running]:
main.f(0xc000012345, {0x1, 0x2})
	/srv/main.go:7 +0x1d
main.main()
	/srv/main.go:3 +0x11
exit status 2`, "panic", "boom"},
	{"go, recovered", `panic: first [recovered]
	panic: second

goroutine 7 [running]:
panic({0x1, 0x2})
	/usr/lib/go/panic.go:1 +0x1
main.(*server).handle(...)
	/srv/main.go:7
created by main.main in goroutine 1
	/srv/main.go:3 +0x11`, "panic", "second"},
	{"go, signal", `panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47]

goroutine 1 [running]:
main.main()
	/srv/main.go:3 +0x11`, "panic", "runtime error: invalid memory address or nil pointer dereference"},
	{"go, goroutines", `fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
main.main()
	/srv/main.go:3 +0x11

goroutine 5 [select, 3 minutes]:
main.g.func1()
	/srv/main.go:9 +0x11
created by main.g
	/srv/main.go:8 +0x11`, "fatal error", "all goroutines are asleep - deadlock!"},
	{"node", `TypeError: Cannot read properties of undefined (reading 'x')
    at f (/srv/a.js:1:2)
    at async g (/srv/a.js:3:4)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)`, "TypeError", "Cannot read properties of undefined (reading 'x')"},
	{"node, uncaught", `/srv/a.js:10
    throw new Error('boom')
    ^

Error: boom
    at Object.<anonymous> (/srv/a.js:10:9) {
  code: 'EBOOM',
  [cause]: Error: inner
      at g (/srv/a.js:2:3)
}

Node.js v20.1.0`, "Error", "boom"},
	{"node, code", `Error [ERR_X]: no
    at f (a.js:1:1)`, "Error", "no"},
	{".NET", `Unhandled exception. System.InvalidOperationException: outer
 ---> System.Exception: inner
   at N.M() in /src/a.cs:line 5
   --- End of inner exception stack trace ---
   at N.Main() in /src/a.cs:line 9
--- End of stack trace from previous location ---
   at N.X()`, "System.InvalidOperationException", "outer"},
	{"ruby", "a.rb:1:in `f': boom (RuntimeError)\n\tfrom a.rb:2:in `<main>'", "", ""},
	{"rust", `thread 'main' panicked at src/main.rs:2:5:
boom
note: run with ` + "`RUST_BACKTRACE=1`" + ` environment variable to display a backtrace`, "panic", "boom"},
	{"php", `PHP Fatal error:  Uncaught RuntimeException: boom in /srv/a.php:3
Stack trace:
#0 /srv/a.php(7): f()
#1 {main}
  thrown in /srv/a.php on line 3`, "RuntimeException", "boom in /srv/a.php:3"},
}

// joined runs lines through a joiner of its own.
func joined(text ...string) (all []join.Record) {
	j := join.New("", 1<<20)
	at := int64(0)
	for _, part := range text {
		for line := range strings.SplitSeq(part, "\n") {
			end := at + int64(len(line)) + 1
			j.Add(join.Line{Text: line, Start: at, End: end}, func(r join.Record) { all = append(all, r) })
			at = end
		}
	}
	j.Flush(func(r join.Record) { all = append(all, r) })
	return all
}

func texts(records []join.Record) (all []string) {
	for _, r := range records {
		all = append(all, r.Text)
	}
	return all
}

// Each trace is one record, in every position: alone, after another, between lines that report it or don't, and cut off by any line.
func TestATraceIsOneRecord(t *testing.T) {
	const info, failed, next = "2026-11-24T05:00:00Z INFO started", "2026-11-24T05:00:01Z ERROR request failed", `{"level":"info","msg":"x"}`
	for _, c := range traces {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, []string{c.text}, texts(joined(c.text)))
			assert.Equal(t, []string{c.text, next, c.text}, texts(joined(c.text, next, c.text)))
			assert.Equal(t, []string{info, c.text, info}, texts(joined(info, c.text, info)))
			assert.Equal(t, []string{next, c.text, "plain text"}, texts(joined(next, c.text, "plain text")))
			if c.name != "python, chained" {
				assert.Equal(t, []string{c.text, c.text}, texts(joined(c.text, c.text)))
			}
			all := joined(c.text)
			r := plog.NewLogRecord()
			new(parse.Parser).Record(all[0].Text, all[0].Trace, logvalue.Clock{}, r)
			kind, _ := r.Attributes().Get("exception.type")
			message, _ := r.Attributes().Get("exception.message")
			stack, ok := r.Attributes().Get("exception.stacktrace")
			if c.kind == "" {
				return
			}
			require.True(t, ok)
			assert.Equal(t, c.kind, kind.AsString())
			if c.message != "" {
				assert.Equal(t, c.message, message.Str())
			}
			assert.Contains(t, c.text, stack.Str())
		})
	}
}

// A log line that reports an error and the trace after it are one record.
func TestATraceBelongsToTheLineThatReportsIt(t *testing.T) {
	for _, c := range []struct{ line, trace, kind string }{
		{"2026-11-24 05:00:00,250 ERROR [main] com.example.App - failed", traces[0].text, "java.lang.IllegalStateException"},
		{"2026-11-24 05:00:00,250 ERROR [main] App - java.lang.IllegalStateException: boom", "\tat A.b(A.java:1)\n\tat A.c(A.java:2)", "java.lang.IllegalStateException"},
		{"2026-11-24 05:00:00,250 - root - ERROR - failed", traces[4].text, "ValueError"},
		{"ERROR:root:failed", traces[5].text, "mypkg.errors.Boom"},
		{"2026/11/24 05:00:00 http: panic serving 127.0.0.1:1: boom", "goroutine 20 [running]:\nnet/http.(*conn).serve.func1()\n\t/usr/lib/go/server.go:1 +0x1", "panic"},
		{"fail: Microsoft.AspNetCore.Server.Kestrel[13]", "      Connection id \"0\"\n      System.InvalidOperationException: outer\n         at N.M() in /src/a.cs:line 5", "System.InvalidOperationException"},
		{"2026-11-24T05:00:00Z ERROR failed", traces[12].text, "TypeError"},
	} {
		want := c.line + "\n" + c.trace
		all := joined(c.line, c.trace, "2026-11-24T05:00:02Z INFO next")
		assert.Equal(t, []string{want, "2026-11-24T05:00:02Z INFO next"}, texts(all))
		r := plog.NewLogRecord()
		new(parse.Parser).Record(all[0].Text, all[0].Trace, logvalue.Clock{}, r)
		assert.NotEqual(t, plog.SeverityNumberUnspecified, max(r.SeverityNumber(), plog.SeverityNumber(len(c.kind))), c.line)
		kind, _ := r.Attributes().Get("exception.type")
		assert.Equal(t, c.kind, kind.AsString(), c.line)
	}
}

// Lines that only look like parts of traces stay separate records.
func TestOtherLinesStayAlone(t *testing.T) {
	for _, lines := range [][]string{
		{"started", "  just text  ", "\tindented", "at work", "    at"},
		{"Error: one", "Error: two", "Error: three"},
		{"java.lang.Exception: a", "2026-11-24T05:00:02Z INFO next", "goroutines: 5"},
		{`{"a":1}`, "\tat A.b(A.java:1)"},
		{"panic: x", "2026-11-24T05:00:02Z INFO next"},
		{"key: value", "  nested: value", "  - item"},
	} {
		assert.Equal(t, lines, texts(joined(lines...)))
	}
}

// No line is lost or moved, whatever the input: offsets cover the file, and the text is the lines.
func FuzzJoin(f *testing.F) {
	for _, c := range traces {
		f.Add(c.text + "\n" + traces[0].text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want []string
		for line := range strings.SplitSeq(text, "\n") {
			if strings.TrimSpace(line) != "" {
				want = append(want, line)
			}
		}
		var got []string
		last := int64(0)
		for _, r := range joined(text) {
			require.LessOrEqual(t, last, r.Start)
			require.Less(t, r.Start, r.End)
			last = r.End
			require.Less(t, r.Trace, len(r.Text))
			for line := range strings.SplitSeq(r.Text, "\n") {
				if strings.TrimSpace(line) != "" {
					got = append(got, line)
				}
			}
		}
		require.Equal(t, want, got)
	})
}

func TestARecordIsBounded(t *testing.T) {
	j := join.New("", 1000)
	var all []join.Record
	out := func(r join.Record) { all = append(all, r) }
	j.Add(join.Line{Text: "java.lang.Exception: a"}, out)
	for i := range 100 {
		j.Add(join.Line{Text: fmt.Sprintf("\tat com.example.A.b(A.java:%d)", i)}, out)
	}
	j.Flush(out)
	lines := 0
	for _, r := range all {
		assert.LessOrEqual(t, len(r.Text), 1000)
		lines += strings.Count(r.Text, "\n") + 1
	}
	assert.Equal(t, 101, lines)
}
