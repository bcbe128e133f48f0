// Package lakestore stores the files of a lake, in a directory ([Dir]) or an object store (package bucket). A reader sees each file completely or not at all,
// and a file survives a power cut once Write has returned.
//
// On a disk a file is written under _tmp, fsynced and renamed to its path, and the directory (with every parent that is new to this process) is fsynced.
// Spark, Hive and Trino ignore names that begin with an underscore, and *.parquet globs below a signal's directory do not match them.
//
// # Compaction and tables
//
// Exporters only add files. Compaction and retention replace them by a list of [Change]s for each partition (the directory of a signal, hour and tenant):
//
//   - A change is committed when its document _compacted/<partition>/<sequence>.json exists. [Store.Create] creates it, and fails if that sequence number
//     exists: of two workers that selected the same files one wins, however long the other one was suspended. This needs no lease; the lease (see the lake
//     extension) only saves work.
//   - The files that a change adds are written under _compacting first, where no reader looks, and moved to their paths ([Store.Move]) after the commit. The
//     files that it removes are deleted after that. Any worker that finds an unfinished change completes it.
//   - A name that a committed change removes stays removed for as long as its partition exists: when a range of the journal is delivered again, a file of
//     that name reappears, with rows that the merged file has. [Live] leaves such files out, and the next pass of the compaction deletes them.
//
// So a reader that first lists a partition's files, then reads its changes, and reads the files that [Live] returns, has each row once at any moment. A table
// adds Change.Add and removes Change.Remove in one commit, named by Change.ID. Changes of a partition arrive in the order of their sequence, possibly more than
// once; a table ignores files to be removed that it never had.
package lakestore
