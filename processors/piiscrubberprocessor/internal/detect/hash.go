package detect

import "strings"

// hashForms are the forms in which crypt(3) and its successors write the hash of a password: the beginning, and the minimum length.
var hashForms = [...]struct {
	prefix string
	min    int
}{
	{"$2a$", 59}, {"$2b$", 59}, {"$2y$", 59}, {"$1$", 26}, {"$5$", 47}, {"$6$", 90}, {"$apr1$", 30}, {"$8$", 50}, {"$9$", 50}, {"$y$", 50}, {"$7$", 50},
	{"$argon2id$", 60}, {"$argon2i$", 60}, {"$argon2d$", 60}, {"$pbkdf2-", 60}, {"$scrypt$", 60},
}

// dollar handles '$': the hash of a password, or a vendor's prefix.
func (sc *scan) dollar(i int) int {
	t := sc.t
	if c := at(t, i+1); !sc.on.Has(Password) || !is(c, cDigit) && c != 'a' && c != 'y' && c != 'p' && c != 's' {
		return sc.literal(i)
	}
	if end, known := hashAt(t, i); known {
		return sc.found(Password, i, end)
	}
	return sc.literal(i)
}

// hashAt returns where the hash of a password that begins at i ends, i if none does, and whether it is as long as its form requires.
func hashAt(t string, i int) (end int, known bool) {
	for _, f := range hashForms {
		if !strings.HasPrefix(t[i:], f.prefix) {
			continue
		}
		end = i
		limit := min(len(t), i+512)
		for end < limit && (is(t[end], cAlnum) || strings.IndexByte("$./+=,-_", t[end]) >= 0) {
			end++
		}
		for end > i && (t[end-1] == ',' || t[end-1] == '.' || t[end-1] == '-') {
			end--
		}
		return end, end-i >= f.min && strings.Count(t[i:end], "$") >= 3 && digitAndLetter(t[i+len(f.prefix):end])
	}
	return i, false
}
