package lokiapi

import "github.com/penstockhq/penstock/extensions/embeddedlogsextension/internal/logqlengine"

// stats has Loki's form; what is about its chunks and caches is zero here.
type stats struct {
	Summary  summary   `json:"summary"`
	Querier  queried   `json:"querier"`
	Ingester ingesters `json:"ingester"`
}

type summary struct {
	BytesPerSecond int64   `json:"bytesProcessedPerSecond"`
	LinesPerSecond int64   `json:"linesProcessedPerSecond"`
	Bytes          int64   `json:"totalBytesProcessed"`
	Lines          int64   `json:"totalLinesProcessed"`
	Taken          float64 `json:"execTime"`
	Queued         float64 `json:"queueTime"`
	Subqueries     int     `json:"subqueries"`
	Returned       int     `json:"totalEntriesReturned"`
	Splits         int     `json:"splits"`
	Shards         int     `json:"shards"`
	PostFilter     int64   `json:"totalPostFilterLines"`
	Metadata       int64   `json:"totalStructuredMetadataBytesProcessed"`
}

type queried struct {
	Store stored `json:"store"`
}

type stored struct {
	Referenced int64 `json:"totalChunksRef"`
	Downloaded int64 `json:"totalChunksDownloaded"`
	Time       int64 `json:"chunksDownloadTime"`
	Chunk      chunk `json:"chunk"`
}

type chunk struct {
	HeadBytes    int64 `json:"headChunkBytes"`
	HeadLines    int64 `json:"headChunkLines"`
	Decompressed int64 `json:"decompressedBytes"`
	Lines        int64 `json:"decompressedLines"`
	Compressed   int64 `json:"compressedBytes"`
	Duplicates   int64 `json:"totalDuplicates"`
}

type ingesters struct {
	Reached int64  `json:"totalReached"`
	Matched int64  `json:"totalChunksMatched"`
	Batches int64  `json:"totalBatches"`
	Sent    int64  `json:"totalLinesSent"`
	Store   stored `json:"store"`
}

func statsOf(s logqlengine.Stats) stats {
	out := stats{Summary: summary{
		Bytes: s.Bytes, Lines: s.Lines, Taken: s.Taken.Seconds(), Returned: s.Returned, PostFilter: s.Lines, Splits: 1,
	}}
	if seconds := s.Taken.Seconds(); seconds > 0 {
		out.Summary.BytesPerSecond = int64(float64(s.Bytes) / seconds)
		out.Summary.LinesPerSecond = int64(float64(s.Lines) / seconds)
	}
	out.Querier.Store.Chunk.Decompressed, out.Querier.Store.Chunk.Lines = s.Bytes, s.Lines
	return out
}
