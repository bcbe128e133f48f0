package detect

import "strings"

// cardLayout is a way in which card numbers are grouped. An odd one is used by other numbers too, and counts only if the card is named.
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
	for _, g := range [][]uint8{{4, 4, 5}, {4, 4, 4, 3}, {4, 4, 4, 2}, {4, 4, 8}, {4, 12}, {5, 5, 5}, {6, 13}, {6, 10}, {6, 6, 4}, {6, 4, 6}, {8, 8}, {8, 7}, {8, 6}, {4, 5, 6}} {
		add(true, g...)
	}
	return t
}()

var (
	// cardWords name a card.
	cardWords = wordsOf("card", "cards", "cc", "credit", "debit", "ccnum", "cardnumber", "kreditkarte", "karte", "karten", "kartennummer", "carte", "tarjeta", "cartão",
		"cartao", "carta", "kort", "creditcard", "kaart", "карта", "карты", "карте", "카드", "卡", "カード", "primary account", "cardno", "rupay card").remembered(cardMemo).hinted(cardHint)
	// panWords name a card if they are the key.
	panWords = wordsOf("pan", "pans", "track")
	// payWords are evidence that a number that passes all checks is a card number.
	payWords = wordsOf("charge", "charged", "charging", "payment", "payments", "refund", "refunded", "authoris", "authoriz", "declin", "cvc", "cvv", "cvc2", "cvv2", "zahlung", "paiement", "pago", "pagamento").hinted(cardHint)
	// idEnds are the ends of keys under which no number is a card, whatever is beside it.
	idEnds = wordsOf("id", "ids", "ref", "refs", "entity", "rows", "row", "offset", "count", "block", "uuid", "guid")

	notCardWords = wordsOf("order", "ord", "trace", "span", "uuid", "guid", "request", "req", "invoice", "inv", "tracking", "shipment", "parcel",
		"ticket", "timestamp", "time", "ts", "epoch", "nonce", "seq", "sequence", "offset", "session", "sku", "ean", "gtin", "upc", "isbn", "barcode",
		"imei", "imsi", "iccid", "serial", "hash", "checksum", "build", "revision", "commit", "size", "duration", "elapsed", "latency", "counter",
		"count", "batch", "job", "thread", "correlation", "parent", "partition", "snowflake", "bestellung", "commande", "pedido", "rechnung",
		"transaction", "txn", "nanos", "micros", "millis", "unix", "bytes", "cursor", "shard", "node", "device", "version", "po", "awb", "rma", "file", "rrn", "stan", "arn")
)

// brands are names of schemes; they count as a name if issuer and length fit.
var brands = [...]struct {
	words words
	fits  func(number) bool
}{
	{wordsOf("visa"), func(d number) bool { return d.b[0] == '4' }},
	{wordsOf("mastercard", "master card"), func(d number) bool { return d.n == 16 && (d.b[0] == '5' || d.b[0] == '2') }},
	{wordsOf("amex", "american express"), func(d number) bool { return d.n == 15 && d.b[0] == '3' }},
	{wordsOf("diners"), func(d number) bool { return d.b[0] == '3' }},
	{wordsOf("discover", "maestro", "unionpay", "union pay", "rupay"), func(d number) bool { return d.b[0] >= '5' }},
	{wordsOf("jcb"), func(d number) bool { return d.value(0, 2) == 35 }},
	{wordsOf("mir", "мир"), func(d number) bool { return d.value(0, 2) == 22 }},
}

// card detects a payment card number that begins with the run t[i:j].
func (sc *scan) card(i, j int) int {
	t, n := sc.t, j-i
	switch t[i] { // the first digit of issuers
	case '0', '1', '7':
		return 0
	}
	if n > 19 || n > 8 && n < 12 {
		return 0
	}
	if n < len(cardLayouts) {
		if cardLayouts[n] == nil {
			return 0
		}
		if s := cardSeparator(t, j); s == 0 || !is(at(t, j+s), cDigit) {
			return 0
		}
	}
	if sc.key == "" && !sc.letters(i-before, j+before) { // numbers among numbers: nothing identifies this one
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
	if !known || !luhn(d) || !sc.isCard(i, j, d, !common || d.n != 16 && d.n != 15 && d.n != 14) || sc.labelled(i, &notCardWords) {
		return 0
	}
	return sc.found(PaymentCard, i, j)
}

// isCard reports whether the surroundings of the number t[i:j], which passes all checks, say that it is a card's. One in thirty-five
// random numbers of sixteen digits passes them. strict requires a name; otherwise less is evidence enough.
func (sc *scan) isCard(i, j int, d number, strict bool) bool {
	t := sc.t
	if c := at(t, i-1); c == '_' || c == '-' {
		return false
	}
	if c := at(t, j); c == '_' || c == '-' {
		return false
	}
	if sc.idKey(i) {
		return false
	}
	if at(t, i-1) == '/' && !escaped(t, i) { // a path: only under its name, "/cards/4111..."
		from := runBack(t, i-1, cLetter, 12)
		return cardWords.exact(t[from : i-1])
	}
	if at(t, j) == '/' && !is(at(t, j+1), cDigit) {
		return false
	}
	if expiryBehind(t, j) || sc.near(i, j, &cardWords) || panWords.exact(lastWord(sc.name(i))) || sc.upperPAN(i, j) {
		return true
	}
	if sc.key == "" && !sc.mayHold(cardHint, i-before, j+after) {
		return false
	}
	for k := range brands {
		if b := &brands[k]; b.fits(d) && sc.near(i, j, &b.words) {
			return true
		}
	}
	return !strict && sc.near(i, j, &payWords)
}

// idKey reports whether the word before start, or the key, ends in one that is used for other numbers.
func (sc *scan) idKey(start int) bool {
	t, i := sc.t, start
	for i > 0 && start-i < 8 && !is(t[i-1], cWord) && t[i-1] < 0x80 && t[i-1] != ',' && t[i-1] != ';' && t[i-1] != '\n' {
		i--
	}
	name := sc.key
	if i > 0 {
		name = t[runBack(t, i, cKey, maxKeyName):i]
	} else if i == 0 && start > 8 {
		return false
	}
	name = lastWord(name)
	return name != "" && idEnds.exact(name)
}

// lastWord returns the last component of a key: "id" of "orderId", "order_id", "order.id".
func lastWord(key string) string {
	i := len(key)
	for i > 0 && is(key[i-1], cLetter) {
		i--
		if is(key[i], cUpper) && i > 0 && is(key[i-1], cLower) {
			break
		}
	}
	return key[i:]
}

// upperPAN reports whether "PAN" in capitals is near: as a word of other languages it is written in small letters.
func (sc *scan) upperPAN(i, j int) bool {
	low, high := max(0, i-before), min(len(sc.t), j+after)
	for _, part := range [...]string{sc.t[low:i], sc.t[j:high], sc.key} {
		for n := strings.Index(part, "PAN"); n >= 0; {
			if !is(at(part, n-1), cAlnum) && !is(at(part, n+3), cAlnum) {
				return true
			}
			m := strings.Index(part[n+3:], "PAN")
			if m < 0 {
				break
			}
			n += m + 3
		}
	}
	return false
}

// expiryBehind reports whether a card's month and year of expiry follow directly after j: "12/27", "12/2027", "12|2027", "=2712" of a
// magnetic stripe.
func expiryBehind(t string, j int) bool {
	if at(t, j) == '=' && isNumber(t, j+1, 4) && t[j+3] <= '1' && is(at(t, j+5), cDigit) {
		return true
	}
	if at(t, j) == '"' || at(t, j) == '\'' {
		j++
	}
	k := j
	for k < j+3 && (at(t, k) == ' ' || at(t, k) == ',' || at(t, k) == ';' || at(t, k) == '|' || at(t, k) == '\t' || at(t, k) == ':' || at(t, k) == '"' || at(t, k) == '^') {
		k++
	}
	if k == j || !isNumber(t, k, 2) || t[k] > '1' || t[k] == '1' && t[k+1] > '2' || t[k:k+2] == "00" {
		return false
	}
	if c := at(t, k+2); c != '/' && c != '|' && c != '-' {
		return false
	}
	end := run(t, k+3, cDigit, 5)
	if is(at(t, end), cWord) || at(t, end) == '/' || at(t, end) == '-' {
		return false
	}
	return end-k-3 == 2 && t[k+3] >= '2' || end-k-3 == 4 && t[k+3:k+5] == "20"
}

// gluedCard is card for a run after letters that name a card.
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

// cardSeparator is separator, plus the forms of a blank in a form and in a URL.
func cardSeparator(t string, i int) int {
	switch at(t, i) {
	case '+':
		return 1
	case '%':
		if at(t, i+1) == '2' && (at(t, i+2) == '0' || at(t, i+2) == 'D' || at(t, i+2) == 'd') {
			return 3
		}
		return 0
	case '\n':
		return 1
	}
	return separator(t, i)
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
		s := cardSeparator(t, ends[n-1])
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
		common, known := cardPrefix(c)
		if !known || !luhn(c) || end <= best || inOpaque(t, i, end) || !sc.isCard(i, end, c, l.odd || !common || c.n > 16 || c.n == 13 || crowded(t, i, end)) {
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

// crowded reports whether there are more numbers beside t[i:end].
func crowded(t string, i, end int) bool {
	n := cardSeparator(t, end)
	if c := at(t, end); n == 0 && (c == ',' || c == ';' || c == '\t' || c == '|' || c == ':') {
		n = 1
	}
	if n > 0 && is(at(t, end+n), cDigit) || at(t, end) == ',' && at(t, end+1) == ' ' && is(at(t, end+2), cDigit) {
		return true
	}
	k := i
	for k > 0 && i-k < 2 && !is(t[k-1], cWord) {
		k--
	}
	return k < i && is(at(t, k-1), cDigit)
}

func sameSizes(size []int, groups []uint8) bool {
	for k, g := range groups {
		if size[k] != int(g) {
			return false
		}
	}
	return true
}

// cardPrefix reports whether a scheme issues numbers with this prefix and length (ISO/IEC 7812 issuer ranges as the schemes publish them),
// and whether that combination is common: then a bare number needs no context.
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
