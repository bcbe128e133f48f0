package detect

import (
	"slices"
	"strings"
)

var (
	phoneWords = wordsOf("phone", "phones", "telephone", "téléphone", "telefon", "teléfono", "telefono", "telefone", "telefoon", "tel", "tél", "tlf", "mobiel", "mobilnummer", "mobilfunk", "fax", "msisdn",
		"whatsapp", "sms", "telefonnummer", "puhelin", "전화", "फ़ोन", "هاتف", "rufnummer", "handy", "móvil", "movil", "celular", "cellulare", "cellphone", "gsm", "rappel", "portable",
		"电话", "手机", "電話", "携帯", "телефон", "Телефон").remembered(phoneMemo).hinted(phoneHint)
	phoneWeakWords = wordsOf("mobile", "mobil", "callback", "caller", "dial", "dialed", "dialled", "hotline", "reach me", "call me", "call us", "ring me", "cell phone",
		"anrufen", "anruf", "rufen", "rückruf", "appeler", "appelez", "appelé", "rappeler", "llamar", "llame", "bellen", "ligue", "ligar", "chiamare", "chiama", "called from", "calling from").remembered(phoneWeakMemo).hinted(phoneHint)
	// phoneContexts are both.
	phoneContexts = wordsOf(slices.Concat(phoneWords.list, phoneWeakWords.list)...).remembered(callMemo).hinted(phoneHint)
	// phoneKeys are ambiguous: they count only as a whole key before ':' or '='.
	phoneKeys = wordsOf("cell", "call", "contact", "ring", "to", "from", "mob", "ph", "contact_no", "contact_number", "contactnumber", "contactno", "cell_no", "cellno", "cell_number", "cellnumber",
		"call_to", "called", "calling", "mobile", "mobil", "mobiel", "msisdn", "recipient", "number", "cli", "ani", "dnis")
	mobileWords = wordsOf("mobile", "mobil", "mobiel")
	// countWords before bare digits say that the digits are a count.
	countWords = wordsOf("depth", "clients", "users", "devices", "calls", "callers", "pages", "screens", "messages", "partition", "topic", "records", "rows", "items", "events", "online", "offline", "queued",
		"sent", "delivered", "received", "pending", "failed", "sessions", "subscribers", "requests", "errors")
	notPhoneWords = wordsOf("id", "ids", "order", "ord", "trace", "span", "timestamp", "time", "ts", "epoch", "seq", "offset", "build", "version", "port", "pid",
		"invoice", "ticket", "serial", "isbn", "size", "bytes", "count", "total", "amount", "price", "sku", "tracking", "account", "txn", "imei", "duration")
)

// dialContext is what the words before a number, or its key, say about it.
type dialContext struct {
	read                     bool
	label, weakLabel, not    bool // of the label directly before
	counts                   bool // the label counts something
	key                      bool // the whole key is an ambiguous word
	value                    bool // the label is the key of a pair that means a number: "mobile: 3577 8068"
	strongBefore, weakBefore bool
}

// silent reports whether nothing before a number identifies it.
func (c *dialContext) silent() bool {
	return !c.label && !c.weakLabel && !c.key && !c.value && !c.strongBefore && !c.weakBefore
}

func (sc *scan) readContext(i int) dialContext {
	if sc.key == "" && !sc.letters(i-before, i) { // numbers among numbers
		return dialContext{read: true}
	}
	c := dialContext{read: true}
	near := sc.nearer(i, i, &phoneContexts, 0)
	if c.key = sc.named(i, &phoneKeys) && !sc.otherNumber(i); !near && !c.key { // most numbers
		return c
	}
	sc.readLabel(i, &c)
	if !near || c.not || c.label {
		return c
	}
	if n := strings.LastIndexAny(sc.t[max(0, i-before):i], ";\n"); n >= 0 && sc.key == "" { // the text before that is about something else
		from := max(0, i-before) + n
		if c.strongBefore = phoneWords.in(sc.t, from, i); !c.strongBefore {
			c.weakBefore = phoneWeakWords.in(sc.t, from, i)
		}
		return c
	}
	if c.strongBefore = sc.nearer(i, i, &phoneWords, 0); !c.strongBefore {
		c.weakBefore = sc.nearer(i, i, &phoneWeakWords, 0)
	}
	return c
}

// readLabel adds what the label directly before i says.
func (sc *scan) readLabel(i int, c *dialContext) {
	label := sc.label(i)
	if label == "" {
		return
	}
	if c.not = notPhoneWords.in(label, 0, maxLabel); c.not {
		return
	}
	c.counts = countWords.in(label, 0, maxLabel)
	if c.label = phoneWords.in(label, 0, maxLabel); c.label {
		return
	}
	c.weakLabel = phoneWeakWords.in(label, 0, maxLabel)
	c.value = sc.pairValue(i) && mobileWords.in(label, 0, maxLabel)
}

// otherNumber reports whether the key before i says "number", but neither the rest of it nor the words of a message say that it is one to
// call: "lot.number", "number: 4711".
func (sc *scan) otherNumber(i int) bool {
	name := sc.name(i)
	n := strings.LastIndexByte(name, '.') + 1
	return strings.EqualFold(name[n:], "number") && (n > 0 || !sc.near(i, i, &callWords))
}

// pairValue reports whether a key and a separator, quotes aside, precede i.
func (sc *scan) pairValue(i int) bool {
	for i > 0 && (sc.t[i-1] == ' ' || sc.t[i-1] == '"' || sc.t[i-1] == '\'' || sc.t[i-1] == '\\') {
		i--
	}
	c := at(sc.t, i-1)
	return c == ':' || c == '=' || i == 0 && sc.key != ""
}

// phoneContext reports whether words around the number of groups 0 to g say that it is one to call.
func (sc *scan) phoneContext(c *dialContext, d *dial, g, start int) bool {
	end := d.end[g]
	if c.not || c.counts && g == 0 || at(sc.t, end) == '-' && is(at(sc.t, end+1), cAlnum) || at(sc.t, end) == '_' {
		return false
	}
	if c.label || c.value && d.upto[g] >= 8 {
		return true
	}
	if _, quad := ipv4At(sc.t, start); quad > 0 || !isolated(sc.t, start, end) { // callerIpAddress: an address of a private network
		return false
	}
	if c.key {
		return d.upto[g] >= 8 && (g > 0 || sc.dialled(start, end)) && sc.validAnywhere(d, d.upto[g])
	}
	if d.upto[g] < 8 || !c.strongBefore && !c.weakBefore && !sc.letters(end, end+phoneAfter) {
		return false
	}
	behind := clauseEnd(sc.t, end, end+phoneAfter)
	strong := c.strongBefore || phoneWords.in(sc.t, end, behind)
	if !strong && (g == 0 && !c.weakLabel || d.upto[g] < 9 || !c.weakBefore && !phoneWeakWords.in(sc.t, end, behind)) {
		return false
	}
	if glued(sc.t, start, end) && !c.weakLabel {
		return false
	}
	return sc.validAnywhere(d, d.upto[g])
}

// clauseEnd returns where the clause ends that t[from:to] begins: a word after it is about something else.
func clauseEnd(t string, from, to int) int {
	to = min(to, len(t))
	for k := from; k < to; k++ {
		if t[k] == ';' || t[k] == '\n' || t[k] == '|' {
			return k
		}
	}
	return to
}

// dialled reports whether the bare number t[start:end] under a key like "to" or "contact" is a telephone's and not a time, a date or the
// end of a range: it is quoted, or words of messages are near.
func (sc *scan) dialled(start, end int) bool {
	t, n := sc.t, end-start
	if (n == 10 || n == 13) && t[start] == '1' { // seconds and milliseconds
		return false
	}
	if n == 8 && (t[start:start+2] == "19" || t[start:start+2] == "20") && t[start+4] <= '1' && t[start+6] <= '3' {
		return false
	}
	if c := at(t, start-1); c == '"' || c == '\'' || start == 0 {
		return true
	}
	if strings.HasSuffix(t[:start], "%22") {
		return true
	}
	name := sc.name(start)
	return n >= 10 || !rangeKeys.exact(name) || strings.EqualFold(name, "to") && !rangeStarts.in(t, start-before, start) || sc.near(start, end, &messageWords)
}

var (
	rangeKeys    = wordsOf("to", "from", "number", "called", "ring")
	rangeStarts  = wordsOf("from", "since", "start", "min", "range", "rows", "offset", "copied")
	callWords    = wordsOf("sms", "mms", "whatsapp", "viber", "twilio", "dial", "phone", "call", "callee", "caller", "voice", "otp")
	messageWords = wordsOf("sms", "mms", "text", "message", "whatsapp", "viber", "twilio", "send", "sent", "delivered", "delivery", "dial", "phone", "call", "callee", "voice", "otp")
)
