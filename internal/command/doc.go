// Package command is the command line of the distribution: the collector's own commands, what to type when no
// configuration is given, and Penstock's commands beside them. It is a module of its own, so that a distribution that
// takes one component doesn't get them.
package command
