// Package tail follows log files. A file is identified by device and inode, and by marks: checksums of its first bytes and of those before
// the position up to which it was read. So a renamed file continues, one that was truncated or replaced starts again, and the copy of
// logrotate's copytruncate continues where the original was. Files that begin alike are never mistaken for each other.
package tail
