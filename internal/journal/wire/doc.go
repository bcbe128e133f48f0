// Package wire takes encoded protobuf messages of OTLP apart without decoding them into objects: it follows the path
// of repeated fields from an export request down to its items and hands each item's bytes out, and it builds messages
// from a part of the items with all that stands around them (resource, scope, metric) repeated.
//
// It relies on two properties of the encoding (https://protobuf.dev/programming-guides/encoding/): fields may come in
// any order, and concatenated messages merge. Unknown fields are kept.
package wire
