// Package ingest measures how long a client of the ingest receiver waits for 202, which it gets behind the journal.
package ingest
