package detect

import "strings"

// keyword detects a secret that only words name, without a separator (the 'k' of "token" or "key" is at i): "token x rejected", "api key
// x", "API_TOKEN x". Words are ambiguous, so the value must be one run of random-looking characters.
func (sc *scan) keyword(i int) int {
	t := sc.t
	end := 0
	switch {
	case foldAt(t, i, "key] to ["):
		if start := runBack(t, i+3, cKey, maxKeyName); nameStyle(t[start:i+3]) != notSecret {
			return sc.settingTo(i + 3)
		}
		return 0
	case foldAt(t, i, "key "):
		end = i + 3
	case foldAt(t, i-2, "token "):
		end = i + 3
	case foldAt(t, i-3, "cookie "):
		return sc.namedCookie(i + len("kie "))
	default:
		return 0
	}
	if stop := sc.routerKey(end); stop > 0 {
		return stop
	}
	start := runBack(t, end, cKey, maxKeyName)
	if style := nameStyle(t[start:end]); style == notSecret {
		if start = runBack(t, start-1, cLetter, 16); start < 0 || end-start > 24 || nameStyle(t[start:end]) == notSecret { // "api key"
			return 0
		}
	}
	from := end + 1
	for _, filler := range [...]string{"header ", "value: ", "value ", "is "} {
		if foldAt(t, from, filler) {
			from += len(filler)
		}
	}
	if c := at(t, from); c == '"' || c == '\'' || c == '(' || c == '`' || c == '[' {
		from++
	}
	stop := from
	for stop < len(t) && stop-from < maxValue && (is(t[stop], cBase64) || strings.IndexByte("+/=", t[stop]) >= 0) {
		stop++
	}
	if c := at(t, stop); c > ' ' && strings.IndexByte("\"'`).,;!]}", c) < 0 {
		return 0
	}
	v := t[from:stop]
	if special := sc.specific(from, stop); special > 0 {
		return special
	}
	if uuidAt(t, from) == stop && !strings.Contains(t[start:end], " ") { // "token 1b4e28ba-...": more often an id than a secret
		return 0
	}
	if len(v) < 10 || !digitAndLetter(v) || !randomLooking(v) || suffixed(v) {
		return 0
	}
	return sc.found(Password, from, stop)
}

// routerKey detects the key that the configuration of a router shares with a server (the blank after "key" is at i): tacacs-server key x.
// It returns the value's end, 0 if there is none.
func (sc *scan) routerKey(i int) int {
	t := sc.t
	line := t[max(0, i-maxKeyName):i]
	if n := strings.LastIndexByte(line, '\n'); n >= 0 {
		line = line[n:]
	}
	if !strings.Contains(line, "tacacs-server ") && !strings.Contains(line, "radius-server ") {
		return 0
	}
	from := i + 1
	if is(at(t, from), cDigit) && at(t, from+1) == ' ' { // its format
		from += 2
	}
	end := plainEnd(t, from)
	if v := t[from:end]; len(v) < 4 || oneWord(v) || placeholder(v) {
		return 0
	}
	return sc.found(Password, from, end)
}

// suffixed reports whether v is a name that a program made unique: words, and a short random group at the end ("default-token-n1llr",
// "prod/api-N3HkT2", "users_pkey_7f3a").
func suffixed(v string) bool {
	groups, from := 0, 0
	for i := 0; i <= len(v); i++ {
		if i < len(v) && v[i] != '-' && v[i] != '_' && v[i] != '/' && v[i] != '.' && v[i] != ':' {
			continue
		}
		part := v[from:i]
		switch {
		case groups == 0 && !word(part):
			return false
		case digitRun(part) > 0 && len(part) > 10 || digitRun(part) == 0 && !word(part) && len(part) > 6:
			return false
		}
		groups++
		from = i + 1
	}
	return groups > 1
}

// word reports whether v reads as a word: letters, a vowel among them, no capital after the first that isn't a hump.
func word(v string) bool {
	if len(v) < 2 || len(v) > 24 {
		return false
	}
	vowel := len(v) <= 4
	for i := 0; i < len(v); i++ {
		if !is(v[i], cLetter) || i > 0 && odd(v, i, 0) {
			return false
		}
		switch lower(v[i]) {
		case 'a', 'e', 'i', 'o', 'u', 'y':
			vowel = true
		}
	}
	return vowel
}

// phrase detects the words of a wallet's seed phrase after its name: twelve to twenty-four of them; 0 if fewer follow.
func (sc *scan) phrase(i int) int {
	t := sc.t
	for at(t, i) == ' ' || at(t, i) == '"' || at(t, i) == '\'' {
		i++
	}
	n, end := 0, i
	for k := i; n < 24; n++ {
		stop := run(t, k, cLower, 9)
		if stop-k < 3 {
			break
		}
		end = stop
		if k = stop + 1; at(t, stop) != ' ' && at(t, stop) != ',' {
			n++
			break
		}
	}
	if n < 12 {
		return 0
	}
	return sc.found(Password, i, end)
}
