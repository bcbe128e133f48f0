// Package tail follows log files. A file is known by device and inode, and by marks: sums over its first bytes and over those before
// the position up to which it was read. So a file that is renamed goes on, one that is truncated or replaced begins anew, and the copy
// that logrotate's copytruncate makes goes on where the original was. Files that begin alike are never taken for one.
package tail
