// Package edge drives the agent, and the gateway without a journal, through what can go wrong behind them: servers that answer each status,
// that are slow or away, items as large as the intake takes, full disks and kill -9. Items are counted by their ids.
package edge
