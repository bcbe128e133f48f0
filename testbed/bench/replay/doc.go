// Package replay measures how fast a range is replayed, compared with how fast it was received.
package replay
