package rows

import (
	"fmt"
	"strings"
)

// Differences compares the columns of two versions of a table, as Columns describes them, and names those that a reader could not bring together: the same
// name and another type. Columns that only one of them has are null in the other's rows, and a column may be required in one of them only.
func Differences(mine, theirs []string) (found []string) {
	types := map[string]string{}
	for _, column := range theirs {
		name, kind, _ := strings.Cut(column, " ")
		types[name] = kind
	}
	for _, column := range mine {
		name, kind, _ := strings.Cut(column, " ")
		other, both := types[name]
		if both && strings.TrimSuffix(other, "?") != strings.TrimSuffix(kind, "?") {
			found = append(found, fmt.Sprintf("column %s is %s here and %s there", name, kind, other))
		}
	}
	return found
}
