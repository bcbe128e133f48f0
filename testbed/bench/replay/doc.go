// Package replay measures how fast a range is replayed, beside how fast it came in.
package replay
