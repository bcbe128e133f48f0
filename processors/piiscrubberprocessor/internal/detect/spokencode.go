package detect

import "strings"

var (
	codeWords   = wordsOf("verification", "confirmation", "security", "login", "one time", "authentication", "2fa", "mfa", "otp", "sms", "passcode", "access", "sign in", "your", "activation", "pairing", "unlock", "recovery", "backup", "enrollment")
	codeOwners  = wordsOf("user", "card", "atm", "sim", "door", "login", "account", "customer", "personal", "his", "her", "my", "your", "debit", "credit")
	codeUses    = [...]string{" to sign in", " to log in", " to login", " to verify", " to confirm", " to authenticate", " to reset", " to activate", " to unlock", " to complete"}
	codesBehind = wordsOf("code", "otp", "passcode", "one time")
)

// spokenCode reports whether words say that the digits t[i:j] are an access code: "Your verification code is 123456".
func (sc *scan) spokenCode(i, j int) bool {
	t := sc.t
	if strings.HasSuffix(t[:i], "G-") && foldAt(t, j, " is your ") {
		return codesBehind.in(t, j, j+40)
	}
	if i > 0 && t[i-1] != ' ' && t[i-1] != '"' && t[i-1] != '\n' || is(at(t, j), cWord) || (at(t, j) == '.' || at(t, j) == '-' || at(t, j) == ':') && is(at(t, j+1), cAlnum) {
		return false
	}
	if (foldAt(t, j, " is your ") || foldAt(t, j, " as your ")) && codesBehind.in(t, j, j+40) { // "123456 is your verification code"
		return true
	}
	if at(t, i-1) != ' ' {
		return false
	}
	end := i - 1
	switch {
	case foldAt(t, end-3, " is"):
		end -= 3
		if named := beforeOwner(t, end); foldAt(t, named-3, "otp") && !is(at(t, named-4), cWord) || foldAt(t, named-8, "passcode") || foldAt(t, named-17, "one-time password") {
			return true
		}
	case at(t, end-1) == ':':
		if end--; foldAt(t, end-8, "2fa code") {
			return true
		}
	case j-i >= 5 && codeSaid(t, j) && (strings.HasSuffix(t[:end], "OTP") && !is(at(t, end-4), cWord) || foldAt(t, end-17, "one time password") || foldAt(t, end-17, "one-time password")):
		return true
	case foldAt(t, end-4, " pin"):
		return j-i <= 6 && codeOwners.exact(t[runBack(t, end-4, cLetter, 16):end-4])
	case foldAt(t, end-4, "code"):
		for _, use := range codeUses {
			if foldAt(t, j, use) {
				return true
			}
		}
		fallthrough
	default:
		return foldAt(t, end-8, "2fa code") || foldAt(t, end-8, "sms code") || foldAt(t, end-8, "mfa code")
	}
	return foldAt(t, end-5, " code") && codeWords.in(t, end-5-24, end-5)
}

// codeSaid reports whether what follows a code at j is about it, or nothing follows.
func codeSaid(t string, j int) bool {
	for _, verb := range [...]string{" sent", " expires", " is ", " for ", " valid", " was ", " has "} {
		if foldAt(t, j, verb) {
			return true
		}
	}
	return at(t, j) != ' '
}

// beforeOwner returns the beginning of " for somebody" that ends at i; i if there is none.
func beforeOwner(t string, i int) int {
	from := runBack(t, i, cKey, 40)
	if from < i && foldAt(t, from-5, " for ") {
		return from - 5
	}
	return i
}
