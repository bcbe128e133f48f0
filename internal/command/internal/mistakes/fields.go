package mistakes

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

var durationType = reflect.TypeFor[time.Duration]()

// typeAt returns the Go type into which the value at path is decoded; nil if only the component knows it.
func typeAt(t reflect.Type, path []string) reflect.Type {
	for _, key := range path {
		if t = unwrap(t); t == nil {
			return nil
		}
		switch t.Kind() {
		case reflect.Struct:
			t = fieldsOf(t)[key]
		case reflect.Map, reflect.Slice, reflect.Array:
			t = t.Elem()
		default:
			return nil
		}
	}
	return unwrap(t)
}

// keysOf lists the settings of a struct.
func keysOf(t reflect.Type) []string {
	if t = unwrap(t); t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	return slices.Sorted(maps.Keys(fieldsOf(t)))
}

// unwrap removes pointers and configoptional.Optional, whose value is its first field.
func unwrap(t reflect.Type) reflect.Type {
	for t != nil {
		switch {
		case t.Kind() == reflect.Pointer:
			t = t.Elem()
		case t.Kind() == reflect.Struct && strings.HasSuffix(t.PkgPath(), "/configoptional") && t.NumField() > 0:
			field, ok := t.FieldByName("value")
			if !ok {
				return t
			}
			t = field.Type
		default:
			return t
		}
	}
	return nil
}

// fieldsOf maps the settings of a struct, squashed ones included, to their types. Names follow mapstructure's tags.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("mapstructure"), ",")
		switch {
		case strings.Contains(options, "squash"):
			if inner := unwrap(f.Type); inner != nil && inner.Kind() == reflect.Struct {
				maps.Copy(out, fieldsOf(inner))
			}
		case f.IsExported() && name != "-" && !strings.Contains(options, "remain"):
			if name == "" {
				name = strings.ToLower(f.Name)
			}
			out[name] = f.Type
		}
	}
	return out
}

// bareDurations lists the paths of numbers without a unit where a duration is expected. The decoder reads 15 as 15 nanoseconds, which is never
// meant.
func bareDurations(t reflect.Type, conf any, path []string) (found [][]string) {
	if t = unwrap(t); t == nil {
		return nil
	}
	switch node := conf.(type) {
	case map[string]any:
		for key, value := range node {
			if inner := typeAt(t, []string{key}); inner != nil {
				found = append(found, bareDurations(inner, value, append(slices.Clone(path), key))...)
			}
		}
	case []any:
		if t.Kind() == reflect.Slice {
			for i, value := range node {
				found = append(found, bareDurations(t.Elem(), value, append(slices.Clone(path), strconv.Itoa(i)))...)
			}
		}
	case int:
		if t == durationType && node != 0 && time.Duration(node) < time.Millisecond {
			found = append(found, path)
		}
	}
	return found
}
