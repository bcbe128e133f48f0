// Package bucket stores the files of a lake in an object store that speaks S3's protocol.
//
// A file is encoded in memory, then put: with one request, or, from 16 MiB on, in parts of 16 MiB. A reader sees the whole object or none of it,
// and the store answers when the object is durable. A put of an existing object replaces it, so a request whose answer was lost is simply repeated.
// Each body has its MD5, which the store checks before it accepts the body.
//
// This is the only package that imports the client library.
package bucket

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/penstockhq/penstock/internal/lakestore"
)

const (
	// partBytes is the size of a part, and the size from which on a file is put in parts.
	partBytes = 16 << 20
	// tries bounds the attempts of one request. Between them it waits from 0.2 s on, doubled each time, with jitter; the exporter's own retries follow.
	tries     = 4
	firstWait = 200 * time.Millisecond
	// requestTimeout bounds one attempt, for a store that reads a body and never answers.
	requestTimeout = 2 * time.Minute
	checkTimeout   = 30 * time.Second
	abortTimeout   = 10 * time.Second
	// abandonedAfter is the age at which parts without an object count as those of a dead writer.
	abandonedAfter = 24 * time.Hour
)

// ErrRefused says that the store answers, and that no retry will change its answer: a missing bucket, wrong keys, a missing permission.
var ErrRefused = errors.New("the object store refuses")

// ErrGone is the ErrRefused of a missing bucket.
var ErrGone = fmt.Errorf("%w: no such bucket", ErrRefused)

// Bucket is a lake in an object store. Any number of processes may share one. Safe for concurrent use.
type Bucket struct {
	location Location
	client   minio.Core
	keys     *credentials.Credentials
	secure   bool
	part     int64
}

var _ lakestore.Store = (*Bucket)(nil)

// New returns the lake at l. It sends nothing.
func New(l Location, keys Keys) (*Bucket, error) {
	host, secure := strings.CutPrefix(l.Endpoint, "https://")
	host = strings.TrimPrefix(host, "http://")
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	lookup := minio.BucketLookupAuto
	if l.PathStyle {
		lookup = minio.BucketLookupPath
	}
	provider := keys.provider()
	core, err := minio.NewCore(host, &minio.Options{
		Creds: provider, Secure: secure, Region: Region(l), BucketLookup: lookup, Transport: transport, MaxRetries: 1, // again() repeats requests: each attempt needs a new body
	})
	if err != nil {
		return nil, err
	}
	core.SetAppInfo("penstock", "lake")
	return &Bucket{location: l, client: *core, keys: provider, secure: secure, part: partBytes}, nil
}

// Region is the region for which requests are signed; empty lets the library ask AWS.
func Region(l Location) string {
	for _, r := range []string{l.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")} {
		if r != "" {
			return r
		}
	}
	if l.Endpoint == AWSEndpoint {
		return ""
	}
	return "us-east-1" // the region that other stores use, or ignore
}

// Root is the URL of the lake, without keys.
func (b *Bucket) Root() string { return b.location.String() }

// Close closes idle connections.
func (b *Bucket) Close() error {
	if b != nil {
		b.client.CredContext().Client.CloseIdleConnections()
	}
	return nil
}

// Check requests one name of the lake from the store. exists says whether there is any. An error is ErrRefused if the store, or a certificate, says
// that the configuration is wrong; otherwise an *lakestore.IOError: the store can't be reached.
func (b *Bucket) Check(ctx context.Context) (exists bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := b.checkKeys(); err != nil {
		return false, err
	}
	err = retry(ctx, func(ctx context.Context) error {
		for object := range b.client.ListObjectsIter(ctx, b.location.Bucket, minio.ListObjectsOptions{Prefix: b.prefix(), Recursive: true, MaxKeys: 1}) {
			exists = object.Err == nil
			return object.Err
		}
		return nil
	})
	if err != nil {
		return false, classify("list "+b.location.Bucket, err)
	}
	return exists, nil
}

// checkKeys reports missing keys.
func (b *Bucket) checkKeys() error {
	_, err := b.keys.GetWithContext(b.client.CredContext())
	if err != nil && (errors.Is(err, errHalf) || !fromService()) { // a service that provides them may be down
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err != nil {
		return &lakestore.IOError{Op: "get keys", Err: err}
	}
	return nil
}

func (b *Bucket) prefix() string {
	if b.location.Prefix == "" {
		return ""
	}
	return b.location.Prefix + "/"
}

// key is the object's name.
func (b *Bucket) key(below string) string { return path.Join(b.location.Prefix, below) }

// Write puts dir/<name>.parquet with the output of fill; see lakestore.Store. It holds the whole file in memory.
func (b *Bucket) Write(ctx context.Context, dir, name string, fill func(io.Writer) error) (lakestore.Written, error) {
	c := &content{}
	defer c.release()
	if err := fill(c); err != nil {
		return lakestore.Written{}, err
	}
	if name == "" {
		name = c.name()
	}
	w := lakestore.Written{Path: path.Join(dir, name+lakestore.Extension), Bytes: c.size}
	if err := b.put(ctx, b.key(w.Path), c); err != nil {
		return lakestore.Written{}, classify("put "+w.Path, err)
	}
	return w, nil
}

func (b *Bucket) put(ctx context.Context, key string, c *content) error {
	if c.size > b.part {
		return b.putParts(ctx, key, c)
	}
	s := c.section(0, c.size, !b.secure)
	return retry(ctx, func(ctx context.Context) error {
		body := s.lend()
		defer body.end()
		_, err := b.client.PutObject(ctx, b.location.Bucket, key, body, s.size, s.md5, s.sha256, b.options())
		return err
	})
}

func (b *Bucket) putParts(ctx context.Context, key string, c *content) (err error) {
	var id string
	err = retry(ctx, func(ctx context.Context) (err error) {
		id, err = b.client.NewMultipartUpload(ctx, b.location.Bucket, key, b.options())
		return err
	})
	if err != nil {
		return fmt.Errorf("begin parts: %w", err)
	}
	defer func() {
		if err != nil { // parts that can't be removed now are removed by the next start, a day later
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
			defer cancel()
			_ = b.client.AbortMultipartUpload(ctx, b.location.Bucket, key, id)
		}
	}()
	var parts []minio.CompletePart
	for from := int64(0); from < c.size; from += b.part {
		part, err := b.putPart(ctx, key, id, len(parts)+1, c.section(from, min(from+b.part, c.size), !b.secure))
		if err != nil {
			return fmt.Errorf("part %d: %w", len(parts)+1, err)
		}
		parts = append(parts, minio.CompletePart{PartNumber: part.PartNumber, ETag: part.ETag})
	}
	err = retry(ctx, func(ctx context.Context) error {
		_, err := b.client.CompleteMultipartUpload(ctx, b.location.Bucket, key, id, parts, minio.PutObjectOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("complete parts: %w", err)
	}
	return nil
}

func (b *Bucket) putPart(ctx context.Context, key, id string, number int, s section) (part minio.ObjectPart, err error) {
	err = retry(ctx, func(ctx context.Context) (err error) {
		body := s.lend()
		defer body.end()
		part, err = b.client.PutObjectPart(ctx, b.location.Bucket, key, id, number, body, s.size, minio.PutObjectPartOptions{
			Md5Base64: s.md5, Sha256Hex: s.sha256, DisableContentSha256: true,
		})
		return err
	})
	return part, err
}

// retry makes attempts until one succeeds, the store refuses permanently, or ctx or the attempts are used up. It returns the last error.
func retry(ctx context.Context, attempt func(context.Context) error) error {
	for i := 0; ; i++ {
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, requestTimeout)
			defer cancel()
			return attempt(ctx)
		}()
		if err == nil || i == tries-1 || refused(err) {
			return err
		}
		wait := firstWait << i
		select {
		case <-time.After(wait/2 + rand.N(wait/2)):
		case <-ctx.Done():
			return err
		}
	}
}

func (b *Bucket) options() minio.PutObjectOptions {
	o := minio.PutObjectOptions{ContentType: "application/vnd.apache.parquet", DisableContentSha256: true}
	switch b.location.Encryption {
	case encryptionS3:
		o.ServerSideEncryption = encrypt.NewSSE()
	case encryptionKMS:
		o.ServerSideEncryption, _ = encrypt.NewSSEKMS(b.location.KMSKeyID, nil) // it fails only with a context
	}
	return o
}

// Names implements lakestore.Store: one request for 1000 files.
func (b *Bucket) Names(ctx context.Context, signal string, each func(name string)) error {
	return b.List(ctx, signal, func(f lakestore.File) error {
		if name, ok := strings.CutSuffix(f.Name(), lakestore.Extension); ok {
			each(name)
		}
		return nil
	})
}

// RemoveAbandoned removes the parts of a lake's files that writers began at least a day ago and did not complete: the store keeps, and bills, them.
// Parts of other objects stay, since a lake without a prefix shares its bucket. It returns the number of objects.
func (b *Bucket) RemoveAbandoned(ctx context.Context, now time.Time) (removed int, err error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	key, id := "", ""
	for {
		page, err := b.client.ListMultipartUploads(ctx, b.location.Bucket, b.prefix(), key, id, "", 1000)
		if err != nil {
			return removed, classify("list parts", err)
		}
		for _, u := range page.Uploads {
			if now.Sub(u.Initiated) < abandonedAfter || !b.isFile(u.Key) {
				continue
			}
			if err := b.client.AbortMultipartUpload(ctx, b.location.Bucket, u.Key, u.UploadID); err != nil {
				return removed, classify("abort "+u.Key, err)
			}
			removed++
		}
		if !page.IsTruncated || page.NextKeyMarker == key && page.NextUploadIDMarker == id {
			return removed, nil
		}
		key, id = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

// isFile reports whether an object is a file of the lake, or one that waits for its change.
func (b *Bucket) isFile(key string) bool {
	_, ok := lakestore.ParsePartition(lakestore.PartitionOf(strings.TrimPrefix(key, b.prefix())))
	return ok && path.Ext(key) == lakestore.Extension
}

// classify distinguishes errors of the configuration from temporary ones.
func classify(op string, err error) error {
	var answer minio.ErrorResponse
	switch {
	case !refused(err):
	case errors.As(err, &answer) && answer.Code == minio.NoSuchBucket:
		err = fmt.Errorf("%w: %w", ErrGone, err)
	case errors.As(err, &answer):
		err = fmt.Errorf("%w: %s: %w", ErrRefused, answer.Code, err)
	default:
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return &lakestore.IOError{Op: op, Err: err}
}

// refused says whether the next attempt will get the same err.
func refused(err error) bool {
	var answer minio.ErrorResponse
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	if errors.As(err, &answer) {
		return !passes(answer)
	}
	return errors.As(err, &authority) || errors.As(err, &host) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// passes says whether the same request can get another answer later.
func passes(answer minio.ErrorResponse) bool {
	switch answer.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, 499:
		return true
	}
	switch answer.Code { // parts that a request with a lost answer has completed; a body that was damaged in transit; keys that are fetched again
	case minio.NoSuchUpload, minio.BadDigest, "XAmzContentSHA256Mismatch", "RequestTimeout", "ConditionalRequestConflict", "ExpiredToken", "ExpiredTokenException":
		return true
	}
	return answer.StatusCode < 400 || answer.StatusCode >= 500
}
