//go:generate mdatagen metadata.yaml

// Package parquetexporter writes logs, spans and data points as Parquet files into a lake: a directory tree partitioned by signal,
// hour and tenant that DuckDB, Spark, pyarrow and others read as it is.
package parquetexporter
