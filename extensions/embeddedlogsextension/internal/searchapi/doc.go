// Package searchapi answers three questions in plain JSON: which log records match, what a PromQL query gives, and whether the two go together.
package searchapi
