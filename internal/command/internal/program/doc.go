// Package program starts the process as its system wants it: at once, or as a Windows service. It imports little, so that it can be
// checked for every system quickly.
package program
