// Package sender tests the built binary against the requirements of the remote write specifications for a sender, like independent
// suites do: it scrapes a target whose page the test writes, and a receiver checks every request.
package sender
