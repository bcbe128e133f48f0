package syslogserverreceiver

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/penstockhq/penstock/internal/logvalue"
	"github.com/penstockhq/penstock/receivers/syslogserverreceiver/internal/message"
)

// peer is the address of a message's sender, empty for a process of this machine.
func peer(from net.Addr) string {
	if from == nil || from.String() == "" {
		return ""
	}
	address, err := netip.ParseAddrPort(from.String())
	if err != nil || address.Addr().IsLoopback() {
		return ""
	}
	return address.Addr().Unmap().WithZone("").String()
}

// fill makes a record of a message whose text is original.
func fill(r plog.LogRecord, m message.Message, original, from string, now time.Time) {
	r.SetObservedTimestamp(pcommon.NewTimestampFromTime(now))
	if !m.Time.IsZero() {
		r.SetTimestamp(pcommon.NewTimestampFromTime(m.Time))
	}
	r.Body().SetStr(valid(m.Body))
	a := r.Attributes()
	if m.Prioritized {
		number, word := logvalue.LevelOfSyslog(m.Severity)
		r.SetSeverityNumber(number)
		r.SetSeverityText(word)
		a.PutInt("syslog.facility", int64(m.Facility))
	}
	if n, err := strconv.ParseInt(m.ProcID, 10, 64); err == nil && n >= 0 {
		a.PutInt("process.pid", n)
	} else if m.ProcID != "" {
		a.PutStr("syslog.proc_id", valid(m.ProcID))
	}
	if m.MsgID != "" {
		a.PutStr("syslog.msg_id", valid(m.MsgID))
	}
	params(m.Params, a)
	if from != "" {
		a.PutStr("network.peer.address", from)
	}
	switch {
	case !utf8.ValidString(original):
		a.PutEmptyBytes("log.record.original").FromRaw([]byte(original))
	case m.Reason != "" && m.Body != original:
		a.PutStr("log.record.original", original)
	}
}

// params puts structured data into syslog.<element>.<name>; a name that an element has several times becomes a list.
func params(all []message.Param, a pcommon.Map) {
	for _, p := range all {
		key := "syslog." + valid(p.Element)
		if p.Name != "" {
			key += "." + valid(p.Name)
		}
		value, known := a.Get(key)
		switch {
		case !known:
			a.PutStr(key, valid(p.Value))
		case value.Type() == pcommon.ValueTypeSlice:
			value.Slice().AppendEmpty().SetStr(valid(p.Value))
		default:
			before := value.AsString()
			list := value.SetEmptySlice()
			list.AppendEmpty().SetStr(before)
			list.AppendEmpty().SetStr(valid(p.Value))
		}
	}
}

// valid is text as valid UTF-8, which OTLP requires.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
