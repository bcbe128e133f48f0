// Package replay defines a replay job: the user's request, its results, and the log that stores both.
package replay
