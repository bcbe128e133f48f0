package remotewrite

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/penstockhq/penstock/exporters/prometheustsdbexporter/internal/sample"
)

const (
	// searchRequests bounds the requests that search for the refused samples of one request; searchBlindly is the bound where the receiver names a
	// label, which all of them may have.
	searchRequests = 256
	searchBlindly  = 64
	// maxDelivered bounds the memory of one Marks: 9 bytes a request.
	maxDelivered = 1 << 16
	// retry2 is the time after which 2.0 is tried again with a receiver that supported only 1.0.
	retry2 = time.Hour
)

// Protocol selects the versions that a Writer uses.
type Protocol int

// The protocols.
const (
	Auto  Protocol = iota // 2.0, and 1.0 with a receiver that doesn't support it
	Only1                 // 1.0
	Only2                 // 2.0
)

// Settings bound what a Writer sends.
type Settings struct {
	Protocol   Protocol
	MaxSamples int  // in a request
	MaxBytes   int  // of a request before compression; one sample may be larger
	MaxShards  int  // requests in flight, over all batches
	Metadata   bool // 1.0: families in the requests
	Isolate    bool // 1.0: find the refused samples of a request, and deliver the others
}

// Writer writes batches: the samples of a series go through one shard in the order of their times, and shards work in parallel. Their
// number depends on the size of the batch, so that a repeated batch is divided as before; the number of requests in flight adapts to the
// receiver. Safe for concurrent use, but callers that pass the samples of one series from two goroutines lose their order.
type Writer struct {
	client   *Client
	set      Settings
	limit    *limiter
	encoders sync.Pool    // of *encoding
	oldSince atomic.Int64 // when the receiver was found to support only 1.0, Unix nanoseconds; 0: it wasn't
}

// Marks remember the results of the requests of repeated batches, so that delivered ones are not sent twice. They belong to the caller
// that repeats the batches: when it abandons a batch it must discard the marks, because the same requests, sent again after the receiver
// has deleted its data, would be skipped. Safe for concurrent use.
type Marks struct {
	mu  sync.Mutex
	all map[uint64]mark // by the requests' hashes; guarded by mu
}

// NewMarks returns empty Marks.
func NewMarks() *Marks { return &Marks{all: make(map[uint64]mark)} }

// mark is the result of a request that was sent.
type mark byte

const (
	refused   mark = iota // and divided: its parts have marks of their own
	tried                 // the result is unknown
	delivered             // or permanently refused
)

type encoding struct {
	Encoder
	payload []byte
}

// NewWriter returns a writer over client.
func NewWriter(client *Client, set Settings) *Writer {
	return &Writer{
		client: client, set: set, limit: newLimiter(set.MaxShards),
		encoders: sync.Pool{New: func() any { return &encoding{} }},
	}
}

// Shards is how many requests may be in flight now.
func (w *Writer) Shards() int { return w.limit.current() }

// batch is one call of Write.
type batch struct {
	w       *Writer
	known   *Marks
	samples []sample.Sample
	header  http.Header
	salt    uint64 // of header: equal requests of two tenants are different

	mu     sync.Mutex
	result Result             // guarded by mu
	marks  []request          // guarded by mu
	lost   map[int32]struct{} // guarded by mu; points of which a sample was refused
}

// request is the result of one request.
type request struct {
	hash uint64
	mark mark
}

// Write delivers samples, which it doesn't change, with header on every request. known has the results of earlier calls with the same
// batch, and gets those of this one. maybeRedelivered: the samples may have been written before, by another process; a sample that is refused as
// older than the series' newest is then considered stored. The error is a *RetryError, or nil when every sample is delivered or refused.
func (w *Writer) Write(ctx context.Context, known *Marks, samples []sample.Sample, header http.Header, maybeRedelivered bool) (Result, error) {
	b := &batch{w: w, known: known, samples: samples, header: header, result: newResult()}
	for name, values := range header {
		b.salt ^= xxhash.Sum64String(name + ":" + strings.Join(values, ","))
	}
	shards := b.shards()
	errs := make([]error, len(shards))
	var wg sync.WaitGroup
	for i, shard := range shards[1:] {
		wg.Go(func() { errs[i+1] = b.writeShard(ctx, shard, maybeRedelivered) })
	}
	errs[0] = b.writeShard(ctx, shards[0], maybeRedelivered)
	wg.Wait()
	err := joined(errs)
	known.remember(b.marks, err != nil)
	return b.result, err
}

// shards divides the batch by series, each part in the order of time.
func (b *batch) shards() [][]int32 {
	n := min(max(2*len(b.samples)/b.w.set.MaxSamples, 1), b.w.set.MaxShards) // a request is at least half full
	shards := make([][]int32, n)
	for i := range shards {
		shards[i] = make([]int32, 0, len(b.samples)/n+len(b.samples)/(4*n)+1)
	}
	for i := range b.samples {
		s := b.samples[i].Hash % uint64(n)
		shards[s] = append(shards[s], int32(i))
	}
	byTime := func(i, j int32) int { return int(b.samples[i].Time - b.samples[j].Time) }
	for _, s := range shards {
		if !slices.IsSortedFunc(s, byTime) {
			slices.SortStableFunc(s, byTime)
		}
	}
	return shards
}

// writeShard sends the shard's requests one after the other, up to the first that must be repeated.
func (b *batch) writeShard(ctx context.Context, shard []int32, maybeRedelivered bool) error {
	for len(shard) > 0 {
		budget := searchRequests
		n, err := b.write(ctx, shard, maybeRedelivered, &budget)
		if err != nil {
			return err
		}
		shard = shard[n:]
	}
	return nil
}

// write sends one request with the first samples of shard, and returns their number. budget is how many more requests may be used to find
// the refused ones among them.
func (b *batch) write(ctx context.Context, shard []int32, maybeRedelivered bool, budget *int) (int, error) {
	e := b.w.encoders.Get().(*encoding)
	defer b.w.encoders.Put(e)
	for {
		version := b.w.version()
		n := b.encode(e, shard, version)
		e.payload = e.Finish(e.payload)
		hash := xxhash.Sum64(e.payload) ^ b.salt
		if e.Counts().All() == 0 {
			hash ^= b.samples[shard[0]].Hash ^ uint64(b.samples[shard[0]].Time)
		}
		switch b.marked(hash) {
		case delivered:
			return n, nil
		case tried:
			maybeRedelivered = true
		}
		if e.Counts().All() == 0 {
			b.finish(hash, e, shard[:n], version, 0, Response{Status: http.StatusNoContent}, maybeRedelivered)
			return n, nil
		}
		resp, err := b.send(ctx, version, e)
		if err != nil {
			b.mark(hash, tried)
			return 0, &RetryError{Err: err}
		}
		if b.w.fellBack(version, resp) {
			continue
		}
		if resp.Retryable() {
			if resp.undecided() {
				b.mark(hash, tried)
			}
			return 0, &RetryError{After: resp.RetryAfter, Status: resp.Status, Err: resp.err()}
		}
		if parts := b.divide(shard[:n], version, resp, budget); len(parts) > 1 {
			b.mark(hash, refused)
			return n, b.search(ctx, parts, maybeRedelivered, budget)
		}
		b.finish(hash, e, shard[:n], version, len(e.payload), resp, maybeRedelivered)
		return n, nil
	}
}

// divide returns the parts of a refused request that may be accepted, if there are any: it is too large, or the receiver may have dropped all of it because
// of some samples. A 2.0 receiver says what it has written, unless it answers 500.
func (b *batch) divide(request []int32, v Version, resp Response, budget *int) [][]int32 {
	if resp.OK() || resp.Confirmed && !resp.rolledBack() || len(request) == 1 || *budget <= 1 {
		return nil
	}
	why := ReasonOf(resp.Status, resp.Body)
	switch isolate := b.w.set.Isolate && (v == V1 || resp.rolledBack()); {
	case isolate && why == Unsupported:
		return b.byKind(request)
	case isolate && why == Invalid:
		*budget = min(*budget, searchBlindly)
	case why != TooLarge && !(isolate && why.ofOneSample()):
		return nil
	}
	half := len(request) / 2
	return [][]int32{request[:half], request[half:]}
}

// byKind returns the samples of a request without and with native histograms.
func (b *batch) byKind(request []int32) (parts [][]int32) {
	var plain, native []int32
	for _, i := range request {
		if s := &b.samples[i]; s.Histogram == nil && s.FloatHistogram == nil {
			plain = append(plain, i)
		} else {
			native = append(native, i)
		}
	}
	for _, part := range [][]int32{plain, native} {
		if len(part) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// search sends the parts of a request.
func (b *batch) search(ctx context.Context, parts [][]int32, maybeRedelivered bool, budget *int) error {
	for _, part := range parts {
		for len(part) > 0 {
			*budget--
			n, err := b.write(ctx, part, maybeRedelivered, budget)
			if err != nil {
				return err
			}
			part = part[n:]
		}
	}
	return nil
}

// encode encodes the first samples of shard, within the bounds of a request, and returns their number.
func (b *batch) encode(e *encoding, shard []int32, v Version) int {
	e.Reset(v)
	for i, at := range shard {
		if i > 0 && (i >= b.w.set.MaxSamples || e.Size() >= b.w.set.MaxBytes) {
			return i
		}
		s := &b.samples[at]
		e.Add(s)
		if b.w.set.Metadata {
			e.AddFamily(s.Family)
		}
	}
	return len(shard)
}

func (b *batch) send(ctx context.Context, v Version, e *encoding) (Response, error) {
	if err := b.w.limit.acquire(ctx); err != nil {
		return Response{}, err
	}
	began := time.Now()
	resp, err := b.w.client.Send(ctx, v, e.payload, b.header)
	b.w.limit.release(began, err == nil && !resp.Retryable() || ctx.Err() != nil)
	return resp, err
}

// marked returns the mark of an earlier attempt of the request.
func (b *batch) marked(hash uint64) mark {
	b.known.mu.Lock()
	m := b.known.all[hash]
	b.known.mu.Unlock()
	if m == delivered {
		b.mark(hash, delivered)
	}
	return m
}

func (b *batch) mark(hash uint64, m mark) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.marks = append(b.marks, request{hash, m})
}

// remember keeps the results of the requests of a batch that will be repeated, and discards them once the batch is done.
func (k *Marks) remember(requests []request, repeated bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range requests {
		switch {
		case !repeated:
			delete(k.all, r.hash)
		case r.mark != refused && len(k.all) < maxDelivered:
			k.all[r.hash] = r.mark
		}
	}
}

// version is the version to use now.
func (w *Writer) version() Version {
	switch w.set.Protocol {
	case Only1:
		return V1
	case Only2:
		return V2
	}
	since := w.oldSince.Load()
	if since == 0 || time.Since(time.Unix(0, since)) > retry2 {
		return V2
	}
	return V1
}

// Takes checks with an empty request whether the receiver now accepts samples with header. A receiver that admits the sender accepts an
// empty request, or refuses it because it has no samples.
func (w *Writer) Takes(ctx context.Context, header http.Header) bool {
	e := w.encoders.Get().(*encoding)
	defer w.encoders.Put(e)
	version := w.version()
	e.Reset(version)
	e.payload = e.Finish(e.payload)
	resp, err := w.client.Send(ctx, version, e.payload, header)
	if err == nil && version == V2 && resp.Status == http.StatusUnsupportedMediaType && w.set.Protocol == Auto {
		e.Reset(V1)
		e.payload = e.Finish(e.payload)
		resp, err = w.client.Send(ctx, V1, e.payload, header)
	}
	return err == nil && !resp.Retryable()
}

// fellBack reports whether resp shows that the receiver doesn't support 2.0, so that the request is to be sent as 1.0: it answers 415, or
// success without saying what it wrote.
func (w *Writer) fellBack(v Version, resp Response) bool {
	if v != V2 || w.set.Protocol != Auto {
		return false
	}
	if resp.Status == http.StatusUnsupportedMediaType || (resp.OK() && !resp.Confirmed) {
		w.oldSince.Store(time.Now().UnixNano())
		return true
	}
	if !resp.Retryable() {
		w.oldSince.Store(0)
	}
	return false
}

// joined is one RetryError for all failures, with the longest requested wait.
func joined(errs []error) error {
	err := errors.Join(errs...)
	if err == nil {
		return nil
	}
	all := &RetryError{Err: err}
	for _, e := range errs {
		var r *RetryError
		if errors.As(e, &r) {
			all.After, all.Status = max(all.After, r.After), max(all.Status, r.Status)
		}
	}
	return all
}
