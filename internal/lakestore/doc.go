// Package lakestore keeps the files of a lake, in a directory ([Dir]) or an object store (package bucket), so that a reader sees each of them whole or not at
// all, and so that a file survives a power cut once Write has returned.
//
// On a disk a file is written under _tmp, fsynced, renamed to its place, and the directory (with every parent that is new to this process) is fsynced. Names
// that begin with an underscore are ignored by Spark, Hive and Trino, and *.parquet globs below a signal's directory never meet them.
//
// # Compaction and tables
//
// The exporter only adds files. What compaction and retention do to them is a list of [Change]s for each partition (the directory of a signal, hour and tenant):
//
//   - A change is committed when its document _compacted/<partition>/<sequence>.json is there. [Store.Create] makes it, and fails if there is one of that
//     number: of two workers that took the same files one wins, however long the other one slept. No lease is needed for that; the lease (see the lake
//     extension) only saves work.
//   - The files that it adds were written under _compacting before, where no reader looks, and are moved to their places ([Store.Move]) after the commit. The
//     files that it removes are deleted after that. Whoever finds a change half done completes it.
//   - A name that a committed change removes stays removed for as long as its partition lives: a range of the journal that is delivered again brings a file of
//     that name back, with rows that the merged file has. [Live] leaves such files out, and the next pass of the compaction deletes them.
//
// So a reader that lists a partition's files first, reads its changes then, and takes what [Live] returns has each row once, at any moment. A table does the same:
// it takes Change.Add in and Change.Remove out in one commit, named by Change.ID. Changes of a partition come in the order of their sequence, and can come
// again; files to be removed that a table never had are none of its business.
package lakestore
