// Package logfiles compares the CPU of log_files with that of contrib's file_log in the same binary.
package logfiles
