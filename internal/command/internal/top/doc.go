// Package top makes a table of a running collector for a terminal: rates, the journal's fill, each sink's lag and last error. It takes
// what the console's API says, and draws lines of a given width.
package top
