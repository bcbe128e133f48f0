package detect

// randomLooking reports whether v looks like the output of a generator of secrets, and not like a name chosen by people or programs: an
// identifier (user-661, E1023_TIMEOUT, TokenType), a dotted name, a path, a count, a word. One in eight random values of eight letters and
// digits reads as a name, one in a thousand of sixteen.
func randomLooking(v string) bool {
	if len(v) < 6 || len(v) <= 18 && v[0] == '0' && lower(v[1]) == 'x' && run(v, 2, cHex, 16) == len(v) { // an address of memory
		return false
	}
	changes, letters, numbers, longest := 0, 0, 0, 0
	part := 0 // where the current part begins
	for i := 0; i <= len(v); i++ {
		if i < len(v) && is(v[i], cAlnum) {
			if is(v[i], cDigit) {
				numbers++
			} else {
				letters++
			}
			if i > part && odd(v, i, part) {
				changes++
			}
			continue
		}
		longest = max(longest, i-part)
		part = i + 1
		if i < len(v) && v[i] != '.' && v[i] != '-' && v[i] != '_' && v[i] != '/' && v[i] != ':' && v[i] != '+' && v[i] != '=' && v[i] != '~' && v[i] != '%' {
			if i > 0 && i < len(v)-1 { // a sign inside a word: no name has one
				changes++
			}
		}
	}
	switch {
	case numbers == len(v): // a count, a position, a time
		return false
	case changes >= 2:
		return true
	case changes == 1 && letters > 0:
		return longest >= 6 && (numbers >= 2 || len(v) >= 12)
	}
	return longest >= 24 && numbers > 0 || longest == len(v) && longest >= 14 && numbers >= 4 && letters >= 4
}

// odd reports whether the character i of v doesn't follow the one before it as in names: digits follow letters at the end ("user661"),
// capitals begin words ("getToken"), words contain vowels.
func odd(v string, i, part int) bool {
	prev, c := v[i-1], v[i]
	switch {
	case is(prev, cDigit) && is(c, cLetter):
		return true
	case is(prev, cLower) && is(c, cUpper):
		return !(is(at(v, i+1), cLower) && is(at(v, i+2), cLower)) // a hump of two letters or more
	case is(prev, cUpper) && is(c, cLower) && i-part > 1 && is(v[i-2], cUpper):
		return !(is(at(v, i+1), cLower)) // "XMLParser"
	case is(prev, cLetter) && is(c, cLetter) && i-part >= 4:
		return consonants(v, i) >= 5
	}
	return false
}

// consonants counts those that end with v[i].
func consonants(v string, i int) (n int) {
	for ; i >= 0 && is(v[i], cLetter); i-- {
		switch lower(v[i]) {
		case 'a', 'e', 'i', 'o', 'u', 'y':
			return n
		}
		n++
	}
	return n
}

// assigned reports whether v, which is written as a value ("secret=hunter2", {"token":"hunter2"}) and not in a sentence, can be the secret
// itself: random, or letters and digits that are not those of an enumeration, a path or a dotted name.
func assigned(v string) bool {
	if suffixed(v) {
		return false
	}
	if randomLooking(v) {
		return true
	}
	n := digitRun(v)
	if n == 0 || n == len(v) || len(v) < 6 {
		return n == 0 && len(v) >= 20 && !dotted(v)
	}
	capitals, signs := 0, 0
	for i := 0; i < len(v); i++ {
		switch {
		case is(v[i], cUpper):
			capitals++
		case v[i] == '/' || v[i] == '.' || v[i] == '-' || v[i] == '_' || v[i] == ':' || v[i] == '[' || v[i] == '(' || v[i] == '{':
			signs++
		}
	}
	return signs == 0 && capitals < len(v)-n
}

// dotted reports whether v consists of words with dots, dashes, underscores or slashes between them.
func dotted(v string) bool {
	seps := 0
	for i := 0; i < len(v); i++ {
		switch {
		case is(v[i], cAlnum):
		case v[i] == '.' || v[i] == '-' || v[i] == '_' || v[i] == '/' || v[i] == ':':
			seps++
		default:
			return false
		}
	}
	return seps > 0
}

// oneWord reports whether v consists of letters only, like a word.
func oneWord(v string) bool {
	for i := 0; i < len(v); i++ {
		if !is(v[i], cLetter) && !(i > 0 && (v[i] == '-' || v[i] == '_' || v[i] == ',' || v[i] == '!' || v[i] == '.')) {
			return false
		}
	}
	return true
}
