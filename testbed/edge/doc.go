// Package edge tests the agent, and the gateway without a journal, with failures of their destinations: servers that answer each status,
// that are slow or down, items of the largest accepted size, full disks and kill -9. Items are counted by their ids.
package edge
