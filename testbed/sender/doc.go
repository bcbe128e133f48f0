// Package sender holds the built binary against what the remote write specifications ask of a sender, the way independent
// suites do: it scrapes a target whose page the test writes, and a receiver looks at every request that comes.
package sender
