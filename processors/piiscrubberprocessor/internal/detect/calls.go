package detect

import "strings"

// credentialCalls end the names of functions that take a user and a password as strings.
var credentialCalls = wordsOf("auth", "basicauth", "httpbasicauth", "setbasicauth", "withcredentials", "credentials", "credential", "login", "authenticate", "getconnection", "pdo", "connect", "mysqli", "mysqli_connect", "mysql_connect",
	"basic_auth", "basicawscredentials", "awscredentials", "awsbasiccredentials", "newstaticcredentials", "staticcredentials", "usernamepasswordcredentials", "networkcredential", "passwordcredential", "passwordauthentication", "setcredentials", "usernamepasswordcredential")

// maxArguments of a call are looked at.
const maxArguments = 8

// signIn detects the last string among the arguments of a call that signs in: auth("bob", "x"), new PDO($dsn, 'bob', 'x') ('(' is at i).
// It must look random, because calls also have names in that position.
func (sc *scan) signIn(i int) int {
	t := sc.t
	from := runBack(t, i, cWord, 40)
	if from == i { // auth=("bob", "x")
		equal := i
		for equal > 0 && i-equal < 3 && (t[equal-1] == ' ' || t[equal-1] == '=') {
			equal--
		}
		from = runBack(t, equal, cWord, 40)
	}
	name := strings.TrimRight(t[from:i], " =")
	if !credentialCalls.exact(name) {
		return 0
	}
	start, end := 0, 0
	k := i + 1
	if strings.IndexByte(t[from:i], ' ') >= 0 && strings.IndexByte(t[from:i], '=') < 0 {
		return 0
	}
	for n := 0; n < maxArguments && k < len(t) && k-i < 512; n++ {
		for at(t, k) == ' ' {
			k++
		}
		if c := at(t, k); c == '"' || c == '\'' || c == '`' {
			stop := quoteEnd(t, k+1, c)
			if at(t, stop) != c {
				return 0
			}
			if v := t[k+1 : stop]; n > 0 && len(v) >= 6 && passwordLike(v) && randomLooking(v) {
				start, end = k+1, stop
			}
			k = stop + 1
		} else {
			for k < len(t) && k-i < 512 && t[k] != ',' && t[k] != ')' && t[k] != '\n' && t[k] != '"' && t[k] != '\'' {
				k++
			}
		}
		if at(t, k) != ',' {
			break
		}
		k++
	}
	if end == 0 || at(t, k) != ')' && at(t, k) != ',' {
		return 0
	}
	return sc.found(Password, start, end)
}

// braced detects password{"x"} of C++ ('{' is at i).
func (sc *scan) braced(i int) int {
	t := sc.t
	if at(t, i+1) != '"' {
		return max(i+1, sc.tupled(i))
	}
	if !is(at(t, i-1), cWord) { // {"password", "x"}
		return max(i+1, sc.call(i))
	}
	from := runBack(t, i, cWord, maxKeyName)
	if nameStyle(t[from:i]) != plainSecret {
		return i + 1
	}
	end := quoteEnd(t, i+2, '"')
	if v := t[i+2 : end]; len(v) < 4 || at(t, end) != '"' || at(t, end+1) != '}' || oneWord(v) || placeholder(v) {
		return i + 1
	}
	return sc.found(Password, i+2, end)
}

// tupled detects a name and a string of Erlang, Elixir or Lisp: {password,"x"}, {:password, "x"}, (password . "x") (the bracket is at i).
// It returns the value's end, 0 if there is none.
func (sc *scan) tupled(i int) int {
	t := sc.t
	start := i + 1
	if at(t, start) == ':' {
		start++
	}
	end := run(t, start, cKey, maxKeyName)
	k := end
	switch {
	case at(t, k) == ',' && t[i] == '{':
		k++
	case strings.HasPrefix(t[k:], " . \""):
		k += 2
	default:
		return 0
	}
	if at(t, k) == ' ' {
		k++
	}
	if at(t, k) != '"' || nameStyle(t[start:end]) == notSecret {
		return 0
	}
	return sc.second(t[start:end], k)
}

// second detects the string at i, the second and last element of a pair whose first is a secret's name; 0 if there is none.
func (sc *scan) second(name string, i int) int {
	t := sc.t
	end := quoteEnd(t, i+1, t[i])
	v := t[i+1 : end]
	if c := at(t, end+1); len(v) < 4 || strings.IndexByte(v, ' ') >= 0 || nameStyle(name) == weakSecret && !randomLooking(v) || at(t, end) != t[i] || c != ']' && c != '}' && c != ')' || oneWord(v) || dotted(v) || placeholder(v) || !fits(nameStyle(name), v) {
		return 0
	}
	if special := sc.specific(i+1, end); special > 0 {
		return special
	}
	return sc.found(Password, i+1, end)
}

// couple detects a name and a value in a list of two: ["password", "x"] (the bracket is at i). It returns the value's end, 0 if there is
// none.
func (sc *scan) couple(i int) int {
	t := sc.t
	if !sc.on.Has(Password) || at(t, i+1) != '"' {
		return 0
	}
	end := run(t, i+2, cKey, maxKeyName)
	k := end + 2
	if at(t, end) != '"' || at(t, end+1) != ',' || !nameTails.has(t[i+2:end]) || nameStyle(t[i+2:end]) == notSecret {
		return 0
	}
	if at(t, k) == ' ' {
		k++
	}
	if at(t, k) != '"' {
		return 0
	}
	return sc.second(t[i+2:end], k)
}

// requirePass detects the directive of Redis that sets its password (the 'q' is at i): "requirepass x".
func (sc *scan) requirePass(i int) int {
	t := sc.t
	if !foldAt(t, i-2, "requirepass ") || is(at(t, i-3), cWord) {
		return i + 1
	}
	start := i - 2 + len("requirepass ")
	quoted := 0
	if c := at(t, start); c == '"' || c == '\'' {
		quoted = 1
	}
	end := plainEnd(t, start+quoted)
	if v := t[start+quoted : end]; len(v) < 3 || placeholder(v) || oneWord(v) {
		return i + 1
	}
	return sc.found(Password, start+quoted, end)
}

// arrow detects "password -> x" of a printed map (the '-' is at i). In code a type follows, so the value must look random.
func (sc *scan) arrow(i int) int {
	t := sc.t
	start := i + len("-> ")
	name := t[runBack(t, i-1, cKey, maxKeyName) : i-1]
	if s := nameStyle(name); s != plainSecret && s != weakSecret {
		return start
	}
	end := plainEnd(t, start)
	if v := t[start:end]; len(v) < 6 || placeholder(v) || !passwordLike(v) || !randomLooking(v) {
		return start
	}
	return sc.found(Password, start, end)
}
