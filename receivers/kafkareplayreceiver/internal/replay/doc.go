// Package replay is what a replay job is: what a user asks for, what becomes of it, and the log that keeps both.
package replay
