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

// free returns the first of text_2, text_3, ... for which taken returns false.
func (n *names) free(text string, taken func(*name) bool) *name {
	for i := 2; ; i++ {
		if candidate := n.text(text + "_" + strconv.Itoa(i)); !taken(candidate) {
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
