package datapoint

import "go.opentelemetry.io/collector/pdata/pmetric"

// AddExemplars copies the exemplars of src into dst, which holds at most limit: a newer one replaces the oldest. The result depends on their times,
// and for equal times on the order of arrival (the first stays).
func AddExemplars(dst, src pmetric.ExemplarSlice, limit int) {
	for i := range src.Len() {
		if dst.Len() < limit {
			src.At(i).CopyTo(dst.AppendEmpty())
			continue
		}
		oldest := -1
		for j := range dst.Len() {
			if oldest < 0 || dst.At(j).Timestamp() < dst.At(oldest).Timestamp() {
				oldest = j
			}
		}
		if oldest >= 0 && dst.At(oldest).Timestamp() < src.At(i).Timestamp() {
			src.At(i).CopyTo(dst.At(oldest))
		}
	}
}
