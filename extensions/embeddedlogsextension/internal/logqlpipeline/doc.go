// Package logqlpipeline runs the stages of a LogQL query over entries, one at a time.
package logqlpipeline
