// Package hostile sends requests that would end an unprotected server to the binary in a container of 1 GiB, while it serves an honest client.
package hostile
