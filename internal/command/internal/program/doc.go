// Package program starts the process in the way of its system: at once, or as a Windows service. It imports little, so that it can be checked for
// every system quickly.
package program
