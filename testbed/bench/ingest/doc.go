// Package ingest measures how long a client of the ingest receiver waits for 202, which it gets once the journal has its request.
package ingest
