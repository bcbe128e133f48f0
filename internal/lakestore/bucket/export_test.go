package bucket

// PartsOf makes parts of n bytes.
func (b *Bucket) PartsOf(n int64) { b.part = n }
