package detect

// tails is a set of the last three bytes of keys, in any case; by chance it contains some more.
type tails [hintSlots]bool

func tailsOf(names ...string) *tails {
	var t tails
	for _, name := range names {
		n := len(name)
		for c := range 256 {
			if n < 3 || byte(c) == name[n-3] {
				t[hintSlot(byte(c), name[n-2], name[n-1])] = true
			}
		}
	}
	return &t
}

// has reports whether name may end like one of the set. It may if one of its last bytes is a separator, which hasNameEnd skips.
func (t *tails) has(name string) bool {
	n := len(name)
	if n < 3 {
		return n > 0
	}
	a, b, c := name[n-3], name[n-2], name[n-1]
	return t[hintSlot(a, b, c)] || nameSeparator(a) || nameSeparator(b) || nameSeparator(c)
}

func nameSeparator(c byte) bool { return c == '_' || c == '-' || c == '.' || c == ' ' }

var (
	// nameTails are those of the keys that pairOf handles: names of secrets, and words after which otherName searches.
	nameTails = func() *tails {
		names := []string{"passe", "value", "key", "phrase", "code", "id", "default"}
		for _, list := range secretNames {
			for _, s := range list {
				names = append(names, s.name)
			}
		}
		return tailsOf(names...)
	}()
	participleTails = tailsOf(participles.list...)
	typeTails       = tailsOf(typeNames.list...)
	queryTails      = func() *tails {
		var names []string
		for name := range queryNames {
			names = append(names, name)
		}
		return tailsOf(names...)
	}()
)

// telling reports whether pairOf handles the key that begins at start: it ends like the name of a secret, or its surroundings make its
// value a secret. Most keys of telemetry don't.
func (sc *scan) telling(name string, start, sep int) bool {
	switch len(name) {
	case 0:
		return false
	case 1: // of a JSON Web Key, of a query, "Unseal Key 1"
		c := lower(name[0])
		return c == 'd' || c == 'k' || c == 'p' || c == 'q' || is(c, cDigit)
	case 2:
		c := lower(name[1])
		if a := lower(name[0]); (a == 'p' && c == 'w') || (a == 'i' && c == 'd') || c == 'p' || c == 'q' || c == 'i' || a >= 0x80 {
			return true
		}
	}
	if len(name) > 2 && nameTails.has(name) {
		return true
	}
	t, c := sc.t, at(sc.t, start-1)
	if t[sep] == '=' {
		return (c == '?' || c == '&' || c == ';' || start == 0 && queryKey(sc.key)) && queryTails.has(name) || typeTails.has(name) && quoteNext(t, sep+1)
	}
	return c == ' ' && (name[0] >= 0x80 || participleTails.has(name) || lower(at(t, start-2)) == 's') // "credentials bob: x"
}
