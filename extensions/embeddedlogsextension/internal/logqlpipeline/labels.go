package logqlpipeline

import (
	"slices"
	"strings"
)

// Label is a name with a value.
type Label struct{ Name, Value string }

// Labels are sorted by name, and no name is there twice.
type Labels []Label

// NewLabels sorts; of a name that is there twice the first value stays. It takes the slice.
func NewLabels(pairs ...Label) Labels {
	slices.SortStableFunc(pairs, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(pairs, func(a, b Label) bool { return a.Name == b.Name })
}

// Value is empty for a label that is not there.
func (l Labels) Value(name string) string {
	for i := range l {
		if l[i].Name == name {
			return l[i].Value
		}
	}
	return ""
}

// Key is the same for equal labels alone.
func (l Labels) Key() string { return string(l.AppendKey(nil)) }

// AppendKey appends Key.
func (l Labels) AppendKey(to []byte) []byte {
	for i := range l {
		to = append(to, l[i].Name...)
		to = append(to, 0xff)
		to = append(to, l[i].Value...)
		to = append(to, 0xfe)
	}
	return to
}

// Clone copies the texts too.
func (l Labels) Clone() Labels {
	if l == nil {
		return nil
	}
	c := make(Labels, len(l))
	for i, label := range l {
		c[i] = Label{strings.Clone(label.Name), strings.Clone(label.Value)}
	}
	return c
}

// Map is for JSON.
func (l Labels) Map() map[string]string {
	m := make(map[string]string, len(l))
	for _, label := range l {
		m[label.Name] = label.Value
	}
	return m
}

// String is the form of a selector.
func (l Labels) String() string {
	texts := make([]string, len(l))
	for i, label := range l {
		texts[i] = label.Name + `="` + strings.ReplaceAll(label.Value, `"`, `\"`) + `"`
	}
	return "{" + strings.Join(texts, ", ") + "}"
}

// Only keeps the labels of these names.
func (l Labels) Only(names []string) Labels {
	kept := make(Labels, 0, len(names))
	for _, label := range l {
		if slices.Contains(names, label.Name) {
			kept = append(kept, label)
		}
	}
	return kept
}

// Without leaves the labels of these names out.
func (l Labels) Without(names []string) Labels {
	kept := make(Labels, 0, len(l))
	for _, label := range l {
		if !slices.Contains(names, label.Name) {
			kept = append(kept, label)
		}
	}
	return kept
}
