package message_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/internal/cputime"
	"github.com/penstockhq/penstock/receivers/syslogserverreceiver/internal/message"
)

var berlin = time.FixedZone("CET", 3600)

// clock stands on New Year's Day, one hour east of Greenwich.
var clock = message.Clock{Now: time.Date(2027, 1, 1, 12, 0, 0, 0, berlin), Local: berlin}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestParse(t *testing.T) {
	type params = []message.Param
	for text, want := range map[string]message.Message{
		// The examples of RFC 5424.
		"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xEF\xBB\xBF'su root' failed on /dev/pts/8": {Facility: 4, Severity: 2,
			Time: at("2003-10-11T22:14:15.003Z"), Host: "mymachine.example.com", App: "su", MsgID: "ID47", Body: "'su root' failed on /dev/pts/8"},
		`<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time`: {Facility: 20, Severity: 5,
			Time: at("2003-08-24T12:14:15.000003Z"), Host: "192.0.2.1", App: "myproc", ProcID: "8710", Body: "%% It's time"},
		`<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application"][p@1 class="high"][empty] An event`: {
			Facility: 20, Severity: 5, Time: at("2003-10-11T22:14:15.003Z"), Host: "h", App: "evntslog", MsgID: "ID47", Body: "An event",
			Params: params{{"exampleSDID@32473", "iut", "3"}, {"exampleSDID@32473", "eventSource", "Application"}, {"p@1", "class", "high"}, {"empty", "", ""}}},
		`<13>1 - - - - - [x a="q\"b\\c\]d\e"]`:        {Facility: 1, Severity: 5, Params: params{{"x", "a", `q"b\c]d\e`}}},
		`<13>1 - - - - - -`:                           {Facility: 1, Severity: 5},
		`<13>1 2026-12-31T23:59:60.5Z - - - - -`:      {Facility: 1, Severity: 5, Time: at("2027-01-01T00:00:00.5Z")},
		`<13>1 2026-12-31T23:00:00 - a - - - no zone`: {Facility: 1, Severity: 5, Time: at("2026-12-31T22:00:00Z"), App: "a", Body: "no zone"},
		// RFC 3164 and what is sent instead.
		"<34>Oct 11 22:14:15 mymachine su: 'su root' failed": {Facility: 4, Severity: 2, Time: at("2026-10-11T21:14:15Z"), Host: "mymachine", App: "su", Body: "'su root' failed"},
		"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!":         {Facility: 1, Severity: 5, Time: at("2026-02-05T16:32:18Z"), Host: "10.0.0.99", Body: "Use the BFG!"},
		"<13>Jan  1 11:00:00 h cron[77]: new year":           {Facility: 1, Severity: 5, Time: at("2027-01-01T10:00:00Z"), Host: "h", App: "cron", ProcID: "77", Body: "new year"},
		"<13>Feb 29 11:00:00 h a: leap":                      {Facility: 1, Severity: 5, Time: at("2024-02-29T10:00:00Z"), Host: "h", App: "a", Body: "leap"},
		"<30>Nov 24 05:00:00 systemd[1]: no host":            {Facility: 3, Severity: 6, Time: at("2026-11-24T04:00:00Z"), App: "systemd", ProcID: "1", Body: "no host"},
		"<13>2026-11-24T05:00:00.123456+02:00 h postfix/smtpd[8]: rsyslog": {Facility: 1, Severity: 5, Time: at("2026-11-24T03:00:00.123456Z"),
			Host: "h", App: "postfix/smtpd", ProcID: "8", Body: "rsyslog"},
		"<13>Nov 24 2026 05:00:00 fw %ASA-6-302013: Built": {Facility: 1, Severity: 5, Time: at("2026-11-24T04:00:00Z"), Host: "fw", MsgID: "ASA-6-302013", Body: "%ASA-6-302013: Built"},
		"<189>45: *Nov 24 05:00:00.25: %SYS-5-CONFIG_I: Configured": {Facility: 23, Severity: 5, Time: at("2026-11-24T04:00:00.25Z"),
			MsgID: "SYS-5-CONFIG_I", Body: "%SYS-5-CONFIG_I: Configured"},
		"<189>45: Nov 24 05:00:00 UTC: %SYS-5-CONFIG_I: Configured": {Facility: 23, Severity: 5, Time: at("2026-11-24T05:00:00Z"),
			MsgID: "SYS-5-CONFIG_I", Body: "%SYS-5-CONFIG_I: Configured"},
		"<13>Nov 24 05:00:00 h say \"a: b\"": {Facility: 1, Severity: 5, Time: at("2026-11-24T04:00:00Z"), Host: "h", Body: `say "a: b"`},
		"<0>Nov 24 05:00:00 h kernel: ":      {Severity: 0, Time: at("2026-11-24T04:00:00Z"), Host: "h", App: "kernel"},
		// Devices that name themselves, or write the year elsewhere.
		"<189>26: sw1.lab: Nov 24 05:00:00.5: %LINEPROTO-5-UPDOWN: up": {Facility: 23, Severity: 5, Time: at("2026-11-24T04:00:00.5Z"), Host: "sw1.lab",
			MsgID: "LINEPROTO-5-UPDOWN", Body: "%LINEPROTO-5-UPDOWN: up"},
		"<189>sw1: 26: *Nov 24 05:00:00: %SYS-5-CONFIG_I: x": {Facility: 23, Severity: 5, Time: at("2026-11-24T04:00:00Z"), Host: "sw1",
			MsgID: "SYS-5-CONFIG_I", Body: "%SYS-5-CONFIG_I: x"},
		"<189>: 2025 Nov 24 05:00:00 UTC: %ETHPORT-5-IF_UP: up": {Facility: 23, Severity: 5, Time: at("2025-11-24T05:00:00Z"),
			MsgID: "ETHPORT-5-IF_UP", Body: "%ETHPORT-5-IF_UP: up"},
		"<189>nexus: 2025 Nov  4 05:00:00.123 CET: %ETHPORT-5-IF_UP: up": {Facility: 23, Severity: 5, Time: at("2025-11-04T04:00:00.123Z"), Host: "nexus",
			MsgID: "ETHPORT-5-IF_UP", Body: "%ETHPORT-5-IF_UP: up"},
		"<166>Nov 24 2025 05:00:00 fw : %ASA-6-302014: Teardown": {Facility: 20, Severity: 6, Time: at("2025-11-24T04:00:00Z"), Host: "fw",
			MsgID: "ASA-6-302014", Body: "%ASA-6-302014: Teardown"},
		"<141>Nov 24 05:00:00 2025 ap-1 stm[77]: <501> joined": {Facility: 17, Severity: 5, Time: at("2025-11-24T04:00:00Z"), Host: "ap-1", App: "stm", ProcID: "77",
			Body: "<501> joined"},
		"<13>Nov 24 05:00:00 9999 a: a host of digits": {Facility: 1, Severity: 5, Time: at("2026-11-24T04:00:00Z"), Host: "9999", App: "a", Body: "a host of digits"},
		"<13>note: Nov 24 05:00:00 is a day":           {Facility: 1, Severity: 5, Reason: message.NoHeader, Body: "note: Nov 24 05:00:00 is a day"},
		"\xEF\xBB\xBF<13>Nov 24 05:00:00 h a: mark":    {Facility: 1, Severity: 5, Time: at("2026-11-24T04:00:00Z"), Host: "h", App: "a", Body: "mark"},
		// A relay or a test tool without a priority.
		"Nov 24 05:00:00 h a[7]: no priority": {Time: at("2026-11-24T04:00:00Z"), Host: "h", App: "a", ProcID: "7", Reason: message.NoPriority, Body: "no priority"},
		"Nov 24 05:00:00 was a fine day":      {Reason: message.NoPriority, Body: "Nov 24 05:00:00 was a fine day"},
		// What can't be parsed is kept completely.
		"":                             {Reason: message.NoPriority},
		"no priority":                  {Reason: message.NoPriority, Body: "no priority"},
		"<192>1 - - - - - -":           {Reason: message.BadPriority, Body: "<192>1 - - - - - -"},
		"<>x":                          {Reason: message.BadPriority, Body: "<>x"},
		"<":                            {Reason: message.BadPriority, Body: "<"},
		"<abc>x":                       {Reason: message.BadPriority, Body: "<abc>x"},
		"<14>python's handler":         {Facility: 1, Severity: 6, Reason: message.NoHeader, Body: "python's handler"},
		"<14>Nov 31 05:00:00 h a: b":   {Facility: 1, Severity: 6, Reason: message.NoHeader, Body: "Nov 31 05:00:00 h a: b"},
		"<14>1 2026-11-24T05:00:00Z h": {Facility: 1, Severity: 6, Reason: message.BadHeader, Body: "<14>1 2026-11-24T05:00:00Z h"},
		"<14>1 yesterday h a - - - m":  {Facility: 1, Severity: 6, Host: "h", App: "a", Reason: message.BadTime, Body: "m"},
		`<14>1 - h a - - [x y="z" m`:   {Facility: 1, Severity: 6, Host: "h", App: "a", Reason: message.BadStructure, Body: `[x y="z" m`},
		`<14>1 - h a - - no data`:      {Facility: 1, Severity: 6, Host: "h", App: "a", Reason: message.BadStructure, Body: "no data"},
	} {
		want.Prioritized = want.Reason != message.NoPriority && want.Reason != message.BadPriority
		got := message.Parse(text, clock)
		assert.True(t, want.Time.Equal(got.Time), "%q: %v", text, got.Time)
		got.Time, want.Time = time.Time{}, time.Time{}
		assert.Equal(t, want, got, "%q", text)
	}
}

func TestLargeStructuredData(t *testing.T) {
	m := message.Parse("<14>1 - h a - - [x"+strings.Repeat(` a="b"`, 1025)+"] m", clock)
	assert.Equal(t, message.LongStructure, m.Reason)
	assert.Empty(t, m.Params)
	assert.True(t, strings.HasSuffix(m.Body, "] m"))
}

// No text panics, and every byte after the header is in the body or in a parameter.
func FuzzParse(f *testing.F) {
	f.Add(`<34>1 2003-10-11T22:14:15.003Z h su 1 ID47 [a b="c"] text`)
	f.Add("<13>Feb  5 17:32:18 host app[1]: text")
	f.Add("<189>45: *Nov 24 05:00:00.25 CET: %SYS-5-CONFIG_I: x")
	f.Fuzz(func(t *testing.T, text string) {
		m := message.Parse(text, clock)
		if !strings.HasSuffix(text, m.Body) {
			t.Fatalf("%q has the body %q", text, m.Body)
		}
		if !m.Prioritized && m.Body != text && (m.App == "" || m.Reason == "") {
			t.Fatalf("%q lost something", text)
		}
	})
}

func ExampleParse() {
	m := message.Parse("<34>Oct 11 22:14:15 mymachine su[7]: 'su root' failed", message.Clock{Now: time.Now(), Local: time.UTC})
	fmt.Println(m.Host, m.App, m.ProcID, m.Severity, m.Body)
	// Output: mymachine su 7 2 'su root' failed
}

func BenchmarkParse(b *testing.B) {
	for name, text := range map[string]string{
		"5424": `<165>1 2026-10-11T22:14:15.003Z h evntslog 77 ID47 [exampleSDID@32473 iut="3" eventSource="Application"] An event log entry of some length`,
		"3164": "<34>Oct 11 22:14:15 mymachine su[77]: 'su root' failed for lonvick on /dev/pts/8",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			defer cputime.Each(b)()
			for b.Loop() {
				message.Parse(text, clock)
			}
		})
	}
}
