package detect

import "strings"

const (
	maxHeader  = 2048 // bytes of a header or a list of columns that are examined
	maxColumns = 64
)

// columns are the columns, by position, that contain secrets, and those whose names identify their values ("ssn", "card_number"); and
// their separator.
type columns struct {
	secret, named uint64
	count         int
	sep           byte
	line          string // the header
}

// line handles the end of a line (the newline is at i): if the line names the columns of a table and one of them is a secret's, its values
// in the lines below are findings.
func (sc *scan) line(i int) int {
	start := sc.lineStart
	sc.lineStart = i + 1
	if softBreak(sc.t, i-1) > 0 || at(sc.t, i-1) == '\r' && softBreak(sc.t, i-2) > 0 {
		sc.hidden = true
	}
	if i < sc.tableEnd || i-start > maxHeader || i-start < 6 {
		return i + 1
	}
	c := header(sc.t[start:i])
	if c.secret|c.named == 0 {
		return i + 1
	}
	t := sc.t
	for from := i + 1; from < len(t); {
		end := from
		for end < len(t) && t[end] != '\n' && end-from <= maxHeader {
			end++
		}
		if !sc.row(from, end, &c) {
			break
		}
		sc.tableEnd = end
		from = end + 1
	}
	return i + 1
}

// header reads the names of columns. The set is empty if the line doesn't name a secret.
func header(line string) (c columns) {
	for k := 0; k < len(line) && c.sep == 0; k++ {
		switch line[k] {
		case ',', ';', '\t', '|':
			c.sep = line[k]
		case '(', ')', '=', '{', '}', ':', '<', '>', '/', '.', '\\': // no header
			return c
		}
	}
	if c.sep == 0 || c.sep == ';' && line[len(line)-1] == ';' { // a statement
		return columns{}
	}
	c.line = line
	for from := 0; from <= len(line) && c.count < maxColumns; c.count++ {
		end := strings.IndexByte(line[from:], c.sep)
		if end < 0 {
			end = len(line) - from
		}
		name := strings.Trim(line[from:from+end], " \t\r\"'`*")
		if run(name, 0, cKey, maxKeyName) != len(name) && strings.IndexByte(name, ' ') < 0 && (name == "" || name[0] < 0x80) {
			return columns{}
		}
		if s := nameStyle(name); s != notSecret && s != dataSecret && s != cookieSecret && strings.Count(name, " ") < 3 {
			c.secret |= 1 << c.count
		} else if len(name) <= maxKeyName && tells(name) {
			c.named |= 1 << c.count
		}
		from += end + 1
	}
	return c
}

// row detects the secrets of one line; false ends the table.
func (sc *scan) row(from, end int, c *columns) bool {
	t := sc.t
	if line := strings.TrimSpace(t[from:end]); line == "" || strings.Trim(line, "-+|=: ") == "" { // the rule below a header
		return line != ""
	}
	n := 0
	for i := from; i <= end; n++ {
		start, stop := i, -1
		for start < end && (t[start] == ' ' || t[start] == '\t' && c.sep != '\t') {
			start++
		}
		if start < end && t[start] == '"' {
			stop = start + 1
			for stop < end && (t[stop] != '"' || at(t, stop+1) == '"') {
				if t[stop] == '"' {
					stop++
				}
				stop++
			}
			start++
			i = stop
		}
		for i < end && t[i] != c.sep {
			i++
		}
		if stop < 0 {
			stop = i
		}
		if n < c.count {
			sc.column(c, n, start, stop)
		}
		i++
		if n > c.count {
			return false
		}
	}
	return n == c.count
}

// columnQuotes are the quotes around the name of a column.
const columnQuotes = " \t\r\n\"'`*[]\\"

// column handles the value t[start:end] of the n-th column.
func (sc *scan) column(c *columns, n, start, end int) {
	switch {
	case c.secret&(1<<n) != 0:
		sc.cell(start, end)
	case c.named&(1<<n) != 0 && end-start <= maxHeader:
		name := c.line
		for range n {
			name = name[strings.IndexByte(name, c.sep)+1:]
		}
		if k := strings.IndexByte(name, c.sep); k >= 0 {
			name = name[:k]
		}
		sub := scan{Scanner: sc.Scanner, t: sc.t[start:end], key: strings.Trim(name, columnQuotes), atPos: -1, endPos: -1}
		sub.walk()
		for _, s := range sub.out {
			sc.extra = append(sc.extra, Span{start + s.Start, start + s.End, s.Kind})
		}
	}
}

// columnWords are the words that identify a number, by their first letter.
var columnWords = func() (t [256]words) {
	lists := []*words{&phoneWords, &cardWords, &panWords}
	for i := range idRules {
		lists = append(lists, &idRules[i].words, &idRules[i].weak)
	}
	var by [256][]string
	for _, w := range lists {
		for _, word := range w.list {
			by[word[0]] = append(by[word[0]], word)
		}
	}
	for c := range by {
		if len(by[c]) > 0 {
			t[c] = wordsOf(by[c]...)
		}
	}
	return t
}()

// tells reports whether the name of a column identifies its values.
func tells(name string) bool {
	for i := 0; i < len(name); i++ {
		if !is(name[i], cLetter) && name[i] < 0x80 || i > 0 && is(name[i-1], cLetter) && !(is(name[i], cUpper) && is(name[i-1], cLower)) {
			continue
		}
		if w := &columnWords[lower(name[i])]; len(w.list) > 0 && w.in(name, i, len(name)) {
			return true
		}
	}
	return false
}

// cell adds the value of a column that is a secret's.
func (sc *scan) cell(start, end int) {
	t := sc.t
	for end > start && t[end-1] <= ' ' {
		end--
	}
	if v := t[start:end]; len(v) < 3 || placeholder(v) || Mark(t, start) > 0 || len(v) > maxValue {
		return
	}
	sc.extra = append(sc.extra, Span{start, end, Password})
}

// paren handles '(': the arguments of a call that sets a secret, the values of a row, an area code.
func (sc *scan) paren(i int) int {
	t := sc.t
	if sc.on.Has(Password) {
		switch c := at(t, i+1); {
		case is(c, cLetter) && strings.HasSuffix(t[:i], "define"): // -define(PASSWORD, "x")
			if end := sc.defined(i); end > i {
				return end
			}
		case c == 'b' && (at(t, i+2) == '"' || at(t, i+2) == '\''): // Python's bytes: (b'x-api-key', b'x')
			if end := sc.call(i); end > i {
				return end
			}
		case is(c, cLetter):
			if end := sc.tupled(i); end > i {
				return end
			}
		case c == '"' || c == '\'' || c == '`' || c == '\\' || c == '@' || c == '$' || c == ' ' && quoteNext(t, i+2):
			if end := sc.signIn(i); end > i {
				return end
			}
			if end := sc.call(i); end > i {
				return end
			}
		}
		if c := lower(at(t, i-1)); c == 's' || c == ' ' && lower(at(t, i-2)) == 's' {
			sc.values(i)
		}
	}
	if sc.on.Has(Phone) {
		return sc.phoneParen(i)
	}
	return i + 1
}

// call detects setProperty("db.password", "x"), setenv('TOKEN', 'x', 1), withPassword("x") ('(' is at i).
func (sc *scan) call(i int) int {
	t := sc.t
	first := i + 1
	for at(t, first) == ' ' && first < i+3 { // define( 'DB_PASSWORD', 'x' )
		first++
	}
	if t[first] == '@' || t[first] == 'b' {
		first++
	} else if t[first] == '$' {
		return 0
	}
	slashes := backslashes(t, first)
	q := at(t, first+slashes)
	if q != '"' && q != '\'' && q != '`' {
		return 0
	}
	start := first + slashes + 1
	end := run(t, start, cKey, maxKeyName)
	if !strings.HasPrefix(t[end:], t[first:start]) { // not a name: perhaps the value of a call whose own name says what it sets
		return sc.setter(i, start, slashes, q)
	}
	k := end + slashes + 1
	for at(t, k) == ' ' {
		k++
	}
	if at(t, k) != ',' {
		if at(t, k) == ')' || at(t, k) == '.' {
			return sc.setter(i, start, slashes, q)
		}
		return 0
	}
	style := nameStyle(t[start:end])
	value := k + 1
	for at(t, value) == ' ' {
		value++
	}
	if at(t, value) == 'b' {
		value++
	}
	if c := at(t, value+backslashes(t, value)); style == notSecret || style == dataSecret || c != '"' && c != '\'' && c != '`' {
		return 0
	}
	if stop := sc.value(k, t[start:end], style, Password, true); stop > value {
		return stop
	}
	return 0
}

// defined detects define(PASSWORD, "x") ('(' is at i).
func (sc *scan) defined(i int) int {
	t := sc.t
	end := run(t, i+1, cKey, maxKeyName)
	style := nameStyle(t[i+1 : end])
	if at(t, end) != ',' || !quoteNext(t, end+1) || style == notSecret || style == dataSecret {
		return 0
	}
	return sc.value(end, t[i+1:end], style, Password, true)
}

// setter detects withPassword("x"): the name of the call says what its only argument is.
func (sc *scan) setter(i, start, slashes int, quote byte) int {
	t := sc.t
	from := runBack(t, i, cWord, maxKeyName)
	if style := nameStyle(t[from:i]); style != plainSecret {
		return 0
	}
	end := quoteEnd(t, start, quote)
	if slashes > 0 {
		end = escapedQuoteEnd(t, start, slashes, quote)
	}
	v := t[start:end]
	k := end + slashes + 1
	if end == start || len(v) < 4 || strings.IndexByte(v, ' ') >= 0 || oneWord(v) || dotted(v) || placeholder(v) || at(t, k) != ')' && !(at(t, k) == '.' && (foldAt(t, k, ".tochararray()") || foldAt(t, k, ".getbytes("))) {
		return 0
	}
	return sc.found(Password, start, end)
}

// values detects rows of SQL ('(' is at i): INSERT INTO u (email, password) VALUES ('a', 'x'), ('b', 'y'). The columns say which values
// are secrets.
func (sc *scan) values(i int) {
	t := sc.t
	end := i
	for end > 0 && t[end-1] == ' ' {
		end--
	}
	if !foldAt(t, end-len("values"), "values") && !foldAt(t, end-len("values"), "VALUES") {
		return
	}
	k := end - len("values")
	for k > 0 && t[k-1] <= ' ' && end-k < 32 {
		k--
	}
	if k == 0 || t[k-1] != ')' {
		return
	}
	from := k - 1
	for from > 0 && k-from < maxHeader && t[from-1] != '(' && t[from-1] != ')' && t[from-1] != '\'' {
		from--
	}
	if at(t, from-1) != '(' {
		return
	}
	c := columns{}
	c.line, c.sep = t[from:k-1], ','
	for _, name := range strings.SplitN(c.line, ",", maxColumns) {
		name = strings.Trim(name, columnQuotes)
		s := nameStyle(name)
		if s != notSecret && s != dataSecret {
			c.secret |= 1 << c.count
		} else if tells(name) {
			c.named |= 1 << c.count
		}
		c.count++
	}
	for c.secret|c.named != 0 && at(t, i) == '(' {
		if i = sc.tuple(i+1, &c); i == 0 {
			return
		}
		for at(t, i) == ',' || at(t, i) == ' ' || at(t, i) == '\n' {
			i++
		}
	}
}

// tuple detects the secrets of the row that begins at i and returns where it ends, 0 if it does not.
func (sc *scan) tuple(i int, c *columns) int {
	t := sc.t
	for n := 0; n < maxColumns; n++ {
		for at(t, i) == ' ' || at(t, i) == 'N' && at(t, i+1) == '\'' || at(t, i) == 'E' && at(t, i+1) == '\'' {
			i++
		}
		slashes := backslashes(t, i)
		if q := at(t, i+slashes); q == '\'' || q == '"' {
			start := i + slashes + 1
			end := start
			for end < len(t) && end-start < maxValue && !(t[end] == q && backslashes(t, end-slashes) == slashes && at(t, end+1) != q) {
				if t[end] == q && at(t, end+1) == q || t[end] == '\\' && slashes == 0 {
					end++
				}
				end++
			}
			if end >= len(t) {
				end = len(t)
			}
			sc.column(c, n, start, end-slashes)
			i = end + 1
		} else if start := i; c.named&(1<<n) != 0 && is(q, cDigit) {
			sc.column(c, n, start, run(t, start, cKey, maxKeyName))
		}
		for i < len(t) && t[i] != ',' && t[i] != ')' && t[i] != '\n' {
			i++
		}
		if at(t, i) != ',' {
			if at(t, i) == ')' {
				return i + 1
			}
			return 0
		}
		i++
	}
	return 0
}
