package mistakes

import (
	"math"
	"reflect"
	"slices"
	"strconv"
)

// numbers finds numbers that are not whole, or too large, where a whole one is expected. The decoder truncates them silently.
func numbers(t reflect.Type, conf any, path []string) (faults []fault) {
	if t = unwrap(t); t == nil {
		return nil
	}
	switch node := conf.(type) {
	case map[string]any:
		for key, value := range node {
			faults = append(faults, numbers(typeAt(t, []string{key}), value, append(slices.Clone(path), key))...)
		}
	case []any:
		if t.Kind() == reflect.Slice {
			for i, value := range node {
				faults = append(faults, numbers(t.Elem(), value, append(slices.Clone(path), strconv.Itoa(i)))...)
			}
		}
	case float64:
		if kind := t.Kind(); kind < reflect.Int || kind > reflect.Uint64 {
			return nil
		}
		text := strconv.FormatFloat(node, 'f', -1, 64)
		switch {
		case t == durationType:
			faults = append(faults, fault{path, text + " is not a duration: write it with a unit, as in 200ms, 15s or 1h30m"})
		case node != math.Trunc(node):
			faults = append(faults, fault{path, "want a whole number, got " + text})
		case math.Abs(node) >= math.MaxInt64:
			faults = append(faults, fault{path, "the number " + text + " is too large"})
		}
	}
	return faults
}
