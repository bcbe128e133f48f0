package lokiexporter

import (
	"strconv"
	"strings"

	"github.com/prometheus/otlptranslator"
)

// maxNames bounds the attribute names that one translator caches: about 150 bytes each.
const maxNames = 8192

// name is a structured metadata name as Loki stores it. Attributes that Loki would store under the same name share one, so that their
// collision is detected: Loki keeps only the last value.
type name struct {
	text string
	// entry is the last entry that used the name, shared the last scope whose shared pairs contain it.
	entry, shared uint64
	// inEntry and inShared are where the search for a free name that begins like this one goes on.
	inEntry, inShared suffix
}

// suffix is the first number that may be free in an entry or a scope; all before it are taken.
type suffix struct {
	of     uint64 // the entry or scope
	number int
}

// names turns attribute names into Loki's, by the rules that Loki applies when it stores them, so that Loki changes nothing. Not safe for
// concurrent use.
type names struct {
	byKey  map[string]lastName
	byText map[string]*name
	// last are the names of the previous entry, in order. Records of one scope mostly have the same attributes in the same order, and
	// comparing costs a tenth of hashing.
	last []lastName
	at   int
}

type lastName struct {
	key  string // a copy: an attribute's may share the memory of its request
	name *name
}

// maxLast bounds names.last.
const maxLast = 64

func newNames() *names {
	return &names{byKey: make(map[string]lastName), byText: make(map[string]*name)}
}

// next starts an entry. It forgets all names if there are too many.
func (n *names) next() {
	n.at = 0
	if len(n.byKey) > maxNames {
		clear(n.byKey)
		clear(n.byText)
		n.last = n.last[:0]
	}
}

func (n *names) of(key string) *name {
	at := n.at
	n.at++
	if at < len(n.last) && n.last[at].key == key {
		return n.last[at].name
	}
	known, ok := n.byKey[key]
	if !ok {
		key = strings.Clone(key)
		known = lastName{key, n.text(normalizeName(key))}
		n.byKey[key] = known
	}
	switch {
	case at < len(n.last):
		n.last[at] = known
	case at == len(n.last) && at < maxLast:
		n.last = append(n.last, known)
	}
	return known.name
}

func (n *names) text(text string) *name {
	named, ok := n.byText[text]
	if !ok {
		named = &name{text: text}
		n.byText[text] = named
	}
	return named
}

// free returns the first of text_2, text_3, ... of named for which taken returns false. A name that is taken stays so in its entry or scope, so the search goes
// on at from: a hostile client can send thousands of attributes of one name.
func (n *names) free(named *name, from *suffix, of uint64, taken func(*name) bool) *name {
	if from.of != of {
		*from = suffix{of, 2}
	}
	for ; ; from.number++ {
		if candidate := n.text(named.text + "_" + strconv.Itoa(from.number)); !taken(candidate) {
			return candidate
		}
	}
}

// normalizeName never fails, because a name that Loki can't store would make it refuse the whole request.
func normalizeName(key string) string {
	namer := otlptranslator.LabelNamer{}
	text, err := namer.Build(key)
	if err != nil {
		return "unnamed"
	}
	return text
}
