package wire

import (
	"errors"
	"slices"
)

// Count returns the number of items at the end of path in msg. It makes no copies.
func Count(msg []byte, path Path) (n int, err error) {
	if len(path) == 0 {
		return 1, nil
	}
	var failed error
	err = Fields(msg, func(f Field) bool {
		if f.Bytes == nil || !slices.Contains(path[0], f.Number) {
			return true
		}
		if len(path) == 1 {
			n++
			return true
		}
		var below int
		below, failed = Count(f.Bytes, path[1:])
		n += below
		return failed == nil
	})
	return n, errors.Join(err, failed)
}
