package detect

import "strings"

// operator returns where the key may end before the assignment whose last byte is t[sep] and whose '=' or ':' is at end: :=, ?=, +=, ||=.
// It returns -1 if nothing is assigned that could be a secret.
func (sc *scan) operator(end, sep int) int {
	t := sc.t
	c := at(t, end-1)
	if t[sep] != '=' || end == 0 || c != ':' && c != '?' && c != '+' && (c != '|' || at(t, end-2) != '|') {
		return end
	}
	if c == '+' && !quoteNext(t, sep+1) && oneWord(strings.TrimLeft(t[sep+1:plainEnd(t, min(len(t), sep+2))], " ")) { // password += suffix
		return -1
	}
	for end > 0 && (t[end-1] == ':' || t[end-1] == '?' || t[end-1] == '+' || t[end-1] == '|') {
		end--
	}
	return end
}

// oddPair detects values whose name is elsewhere than before the colon t[sep], or has a form of a single program; name, which begins at
// start, is what is before the colon. It returns where the scan continues, 0 if there is none.
func (sc *scan) oddPair(name string, start, sep int) int {
	t := sc.t
	if !sc.on.Has(Password) {
		return 0
	}
	switch {
	case name == "" && at(t, sep-1) == '\n': // ? password, and on the next line : x
		if key := complexKey(t, sep-1); key != "" {
			return sc.value(sep, key, nameStyle(key), Password, false)
		}
	case at(t, sep+1) == '"' && at(t, start-1) == ':' && digitRun(name) == len(name): // s:8:"password";s:9:"x"
		return sc.serialized(start-1, sep)
	case at(t, start-1) != '/':
	case name == "user":
		return sc.netUse(sep)
	case len(name) == 1 && lower(name[0]) == 'p' && sc.toolsBefore(start)&remoteTool != 0:
		return sc.flagValue(sep+1, 0)
	}
	return 0
}

// elsewhere reports whether what follows the separator t[sep] is not the value of the secret's name that begins at start:
// ${NAME:?message}, PHP's visibility of a property, the result of a test, the file from which a flag's value is read.
func elsewhere(t, name string, start, sep int) bool {
	switch {
	case name == "PASS" && foldAt(t, start-4, "--- "):
		return true
	case t[sep] != ':':
		return false
	case at(t, sep+1) == '?':
		return at(t, start-1) == '{'
	case at(name, 0) == '-':
		return foldAt(t, sep+1, "file ") || foldAt(t, sep+1, "env ")
	}
	return strings.HasPrefix(t[sep+1:], "protected]") || strings.HasPrefix(t[sep+1:], "private]")
}

// kindOfName is the detector of the value under a secret's name.
func kindOfName(name string) Kind {
	switch {
	case hasNameEnd(name, secretName{name: "accountkey"}), hasNameEnd(name, secretName{name: "sharedaccesskey"}):
		return AzureKey
	case hasNameEnd(name, secretName{name: "secretaccesskey"}):
		return AWSKey
	}
	return Password
}
