// Package command is the command line of the distribution: the collector's own commands, a message about what to type without a configuration, and
// Penstock's commands. It is a separate module, so that a distribution with one component doesn't get them.
package command
