package detect

// identifiedBy detects "IDENTIFIED BY x" and "IDENTIFIED WITH plugin BY 'x'" of SQL (the 'B' of BY is at i); in single quotes directly
// after BY its value is known already.
func (sc *scan) identifiedBy(i int) int {
	t := sc.t
	if at(t, i+2) != ' ' || at(t, i-1) != ' ' {
		return 0
	}
	word := i - 1
	if from := runBack(t, word, cWord, 40); !foldAt(t, from, "identified") {
		if !foldAt(t, from-len("identified with "), "identified with ") {
			return 0
		}
	}
	start := i + 3
	if foldAt(t, start, "password ") {
		start += len("password ")
	}
	if foldAt(t, start, "values ") { // a hash
		start += len("values ")
	}
	start, end := argumentAt(t, start)
	if v := t[start:end]; len(v) < 3 || placeholder(v) || v[0] == ':' || v[0] == '&' {
		return 0
	}
	return sc.found(Password, start, end)
}
