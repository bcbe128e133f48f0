// Package top formats a table of a running collector for a terminal: rates, the journal's fill, each sink's lag and last error. It takes
// the answers of the console's API, and draws lines of a given width.
package top
