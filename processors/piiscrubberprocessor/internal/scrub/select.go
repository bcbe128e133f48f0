package scrub

func (s *Scrubber) allowed(v string) bool {
	for _, re := range s.AllowValues {
		if re.MatchString(v) {
			return true
		}
	}
	return false
}

func (s *Scrubber) allowedKey(key string) bool {
	for _, g := range s.AllowKeys {
		if match(g, key) {
			return true
		}
	}
	return false
}

// selected reports whether path is included and not excluded.
func (s *Scrubber) selected(path string) bool {
	in := len(s.Include) == 0
	for _, g := range s.Include {
		in = in || match(g, path)
	}
	for _, g := range s.Exclude {
		in = in && !match(g, path)
	}
	return in
}

// match reports whether s matches glob, in which '*' matches any bytes, also none. It takes len(glob)*len(s) steps at most.
func match(glob, s string) bool {
	star, mark, i, j := -1, 0, 0, 0
	for i < len(s) {
		switch {
		case j < len(glob) && glob[j] == '*':
			star, mark = j, i
			j++
		case j < len(glob) && glob[j] == s[i]:
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = mark, star+1
		default:
			return false
		}
	}
	for j < len(glob) && glob[j] == '*' {
		j++
	}
	return j == len(glob)
}
