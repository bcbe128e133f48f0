package detect

// nameTails holds, for the last byte of a key, the bytes in front of it with which a key can end that pairOf has an interest in: the name of a
// secret, or a word that otherName looks behind. Letters are lower-case.
var nameTails = func() (t [256]byteSet) {
	enter := func(name string) {
		last := &t[name[len(name)-1]]
		last.add(name[len(name)-2 : len(name)-1])
		last.add("_-. ") // hasNameEnd skips them
	}
	for _, list := range secretNames {
		for _, s := range list {
			enter(s.name)
		}
	}
	for _, list := range [...]*words{&participles, &typeNames} {
		for _, word := range list.list {
			enter(word)
		}
	}
	for _, name := range [...]string{"passe", "value", "key", "phrase", "code", "id", "default"} {
		enter(name)
	}
	return t
}()

// queryTails is the same for the parameters of a query.
var queryTails = func() (t [256]byteSet) {
	for name := range queryNames {
		t[name[len(name)-1]].add(name[len(name)-2 : len(name)-1])
	}
	return t
}()

// telling reports whether a key ends as one may that pairOf has an interest in: most keys of telemetry don't. Keys of one or two bytes do.
func telling(name string) bool {
	n := len(name)
	return n > 0 && n < 3 || n > 2 && nameTails[lower(name[n-1])].has(lower(name[n-2]))
}

// tellingPlace reports whether what stands around the key that begins at start makes a secret of its value, whatever the key's own end: a query,
// the word "credentials" in front of it, a language without capitals.
func (sc *scan) tellingPlace(name string, start, sep int) bool {
	n := len(name)
	if n == 0 {
		return false
	}
	c := at(sc.t, start-1)
	if sc.t[sep] == '=' {
		return (c == '?' || c == '&' || c == ';' || start == 0 && queryKey(sc.key)) && queryTails[lower(name[n-1])].has(lower(name[n-2]))
	}
	return c == ' ' && (name[0] >= 0x80 || lower(at(sc.t, start-2)) == 's')
}
