package detect

// cardLayout is a way in which card numbers are grouped. An odd one is used by other numbers too, and counts only in the company
// of a word like "card".
type cardLayout struct {
	groups []uint8
	digits int
	odd    bool
}

// cardLayouts lists the layouts by the length of the first group.
var cardLayouts = func() (t [9][]cardLayout) {
	add := func(odd bool, groups ...uint8) {
		digits := 0
		for _, g := range groups {
			digits += int(g)
		}
		t[groups[0]] = append(t[groups[0]], cardLayout{groups, digits, odd})
	}
	for _, g := range [][]uint8{{4, 4, 4, 4}, {4, 6, 5}, {4, 6, 4}, {4, 4, 4, 4, 3}, {4, 4, 4, 4, 2}, {4, 4, 4, 4, 1}, {4, 4, 4, 1}} {
		add(false, g...)
	}
	for _, g := range [][]uint8{{4, 4, 5}, {4, 4, 4, 3}, {4, 4, 4, 2}, {4, 4, 8}, {4, 12}, {5, 5, 5}, {6, 13}, {6, 10}, {6, 6, 4}, {6, 4, 6}, {8, 8}} {
		add(true, g...)
	}
	return t
}()

var (
	cardWords = wordsOf("card", "cards", "cc", "pan", "credit", "debit", "visa", "mastercard", "amex", "american express", "discover", "maestro",
		"diners", "jcb", "unionpay", "ccnum", "kreditkarte", "karte", "kartennummer", "carte", "tarjeta", "cartão", "cartao", "carta", "kort",
		"creditcard", "kaart", "卡", "カード")
	notCardWords = wordsOf("order", "ord", "trace", "span", "uuid", "guid", "request", "req", "invoice", "inv", "tracking", "shipment", "parcel",
		"ticket", "timestamp", "time", "ts", "epoch", "nonce", "seq", "sequence", "offset", "session", "sku", "ean", "gtin", "upc", "isbn", "barcode",
		"imei", "imsi", "iccid", "serial", "hash", "checksum", "build", "revision", "commit", "size", "duration", "elapsed", "latency", "counter",
		"count", "batch", "job", "thread", "correlation", "parent", "partition", "snowflake", "bestellung", "commande", "pedido", "rechnung",
		"transaction", "txn", "nanos", "micros", "millis", "unix", "bytes", "cursor", "shard", "node", "device", "version", "po", "awb", "rma", "file")
)

// card looks for a payment card number that begins with the run t[i:j].
func (sc *scan) card(i, j int) int {
	t, n := sc.t, j-i
	if n < len(cardLayouts) && (cardLayouts[n] == nil || separatorMark(t, j) == 0) || n > 19 || n > 8 && n < 12 {
		return 0
	}
	if n < len(cardLayouts) {
		return sc.groupedCard(i, j)
	}
	if inOpaque(t, i, j) || at(t, i-1) == '.' && is(at(t, i-2), cDigit) || at(t, j) == '.' && is(at(t, j+1), cDigit) && !zeros(t, j+1) {
		return 0
	}
	var d number
	d.addAll(t[i:j])
	common, known := cardPrefix(d)
	if !known || !luhn(d) {
		return 0
	}
	if sc.near(i, j, &cardWords) {
		return sc.found(PaymentCard, i, j)
	}
	if !common || d.n == 13 && validEAN(d) || sc.labelled(i, &notCardWords) {
		return 0
	}
	return sc.found(PaymentCard, i, j)
}

// gluedCard is card for a run that letters precede which say that it is one.
func (sc *scan) gluedCard(i, j int) int {
	var d number
	d.addAll(sc.t[i:j])
	if _, known := cardPrefix(d); !known || !luhn(d) || is(at(sc.t, j), cAlnum) {
		return 0
	}
	return sc.found(PaymentCard, i, j)
}

func zeros(t string, i int) bool {
	j := i
	for at(t, j) == '0' {
		j++
	}
	return j > i && !is(at(t, j), cAlnum)
}

// groupedCard compares the groups of digits that begin with the run t[i:first] with the layouts.
func (sc *scan) groupedCard(i, first int) int {
	const most = 5
	var d number
	var size, ends, upto [most]int
	t, n := sc.t, 0
	d.addAll(t[i:first])
	size[0], ends[0], upto[0] = first-i, first, d.n
	for n = 1; n < most; n++ {
		s := separator(t, ends[n-1])
		if s == 0 {
			break
		}
		from := ends[n-1] + s
		end := run(t, from, cDigit, maxDigits)
		if end == from || d.n+end-from > 19 {
			break
		}
		d.addAll(t[from:end])
		size[n], ends[n], upto[n] = end-from, end, d.n
	}
	if d.n < 13 {
		return 0
	}
	best := 0
	for _, l := range cardLayouts[first-i] {
		k := len(l.groups) - 1
		if k >= n || upto[k] != l.digits || !sameSizes(size[:k+1], l.groups) {
			continue
		}
		c := d
		c.n = upto[k]
		end := ends[k]
		if _, known := cardPrefix(c); !known || !luhn(c) || end <= best || inOpaque(t, i, end) || l.odd && !sc.near(i, end, &cardWords) {
			continue
		}
		best = end
		if c.b[0] != '6' || c.n > 16 { // numbers of 19 digits that begin like one of 16 are UnionPay's
			break
		}
	}
	if best == 0 {
		return 0
	}
	return sc.found(PaymentCard, i, best)
}

func sameSizes(size []int, groups []uint8) bool {
	for k, g := range groups {
		if size[k] != int(g) {
			return false
		}
	}
	return true
}

// cardPrefix reports whether a scheme issues numbers with this prefix and length (ISO/IEC 7812 issuer ranges as the schemes publish
// them), and whether that combination is common: a bare number needs no context then.
func cardPrefix(d number) (common, known bool) {
	if d.n < 12 || d.n > 19 {
		return false, false
	}
	p2, p3, p4, p6 := d.value(0, 2), d.value(0, 3), d.value(0, 4), d.value(0, 6)
	n := d.n
	long := n >= 16 && n <= 19
	switch {
	case d.b[0] == '4': // Visa
		return n == 16 || n == 13, n == 13 || n == 16 || n == 19
	case p2 >= 51 && p2 <= 55, p4 >= 2221 && p4 <= 2720: // Mastercard
		return n == 16, n == 16
	case p2 == 34, p2 == 37: // American Express
		return n == 15, n == 15
	case p3 >= 300 && p3 <= 305, p4 == 3095, p2 == 36, p2 == 38, p2 == 39: // Diners Club
		return n == 14, n == 14 || long
	case p4 == 6011, p3 >= 644 && p3 <= 649, p2 == 65: // Discover
		return n == 16, long
	case p2 == 35: // JCB: 3528 to 3589
		return n == 16 && p4 >= 3528 && p4 <= 3589, long
	case p2 == 62, p2 == 81: // UnionPay
		return n == 16 || n == 19 && p2 == 62, long
	case p4 >= 2200 && p4 <= 2204: // Mir
		return n == 16, long
	case p4 == 5018, p4 == 5020, p4 == 5038, p4 == 5893, p4 == 6304, p4 == 6759, p4 >= 6761 && p4 <= 6763, p2 == 50, p2 >= 56 && p2 <= 58, p2 == 67: // Maestro
		return false, n >= 12
	case p2 == 60, p2 == 82, p3 == 508, p4 == 9792, p3 >= 637 && p3 <= 639, p3 == 636, p6 == 627780: // RuPay, Troy, InstaPayment, Elo
		return n == 16, n == 16
	}
	return false, false
}
