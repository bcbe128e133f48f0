// Package wire divides encoded protobuf messages of OTLP without decoding them into objects: it follows the path of repeated fields from an export
// request down to its items and returns each item's bytes, and it builds messages from some of the items with all enclosing messages (resource,
// scope, metric) repeated.
//
// It relies on two properties of the encoding (https://protobuf.dev/programming-guides/encoding/): fields may be in any order, and concatenated
// messages merge. Unknown fields are kept.
package wire
