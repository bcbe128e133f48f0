package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// pageKeys is how many names a request lists, and how many are held in memory.
const pageKeys = 1000

// List implements lakestore.Store: one request for 1000 files.
func (b *Bucket) List(ctx context.Context, dir string, each func(lakestore.File) error) error {
	after := ""
	for {
		var page []lakestore.File
		err := retry(ctx, func(ctx context.Context) error {
			page = page[:0]
			for object := range b.client.ListObjectsIter(ctx, b.location.Bucket, minio.ListObjectsOptions{Prefix: b.key(dir) + "/", Recursive: true, StartAfter: after, MaxKeys: pageKeys}) {
				if object.Err != nil {
					return object.Err
				}
				if strings.HasSuffix(object.Key, "/") {
					continue // some tools make an empty object for a directory
				}
				page = append(page, lakestore.File{Path: strings.TrimPrefix(object.Key, b.prefix()), Bytes: object.Size, Modified: object.LastModified})
				if len(page) == pageKeys {
					break
				}
			}
			return nil
		})
		if err != nil {
			return classify("list "+dir, err)
		}
		for _, f := range page {
			if err := each(f); err != nil {
				return err
			}
		}
		if len(page) < pageKeys {
			return nil
		}
		after = b.key(page[pageKeys-1].Path)
	}
}

// held is an object in memory.
type held struct{ *content }

func (h held) Size() int64 { return h.size }

func (h held) Close() error {
	h.release()
	return nil
}

// Open implements lakestore.Store: one request, for the whole object.
func (b *Bucket) Open(ctx context.Context, path string) (lakestore.Reader, error) {
	var c *content
	err := retry(ctx, func(ctx context.Context) error {
		body, _, _, err := b.client.GetObject(ctx, b.location.Bucket, b.key(path), minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		c = &content{}
		_, err = io.Copy(struct{ io.Writer }{c}, body)
		if cerr := body.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			c.release()
		}
		return err
	})
	if err != nil {
		return nil, classify("get "+path, missing(err))
	}
	return held{c}, nil
}

// missing converts the store's error for a missing object to fs.ErrNotExist.
func missing(err error) error {
	var answer minio.ErrorResponse
	if errors.As(err, &answer) && answer.Code == minio.NoSuchKey {
		return errors.Join(fs.ErrNotExist, err)
	}
	return err
}

// Create implements lakestore.Store, by a put with If-None-Match: *.
func (b *Bucket) Create(ctx context.Context, path string, content []byte) (made bool, err error) {
	o := b.options()
	o.SetMatchETagExcept("*")
	err = b.putSmall(ctx, path, content, o)
	var answer minio.ErrorResponse
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &answer) && unconditional(answer):
		return false, classify("create "+path, fmt.Errorf("%w (If-None-Match): %w", lakestore.ErrNoCreate, err))
	case !errors.As(err, &answer) || answer.StatusCode != http.StatusPreconditionFailed:
		return false, classify("create "+path, err)
	}
	var there []byte
	err = retry(ctx, func(ctx context.Context) (err error) {
		there, err = b.document(ctx, b.key(path))
		return err
	})
	if err != nil {
		return false, classify("read "+path, missing(err))
	}
	return bytes.Equal(there, content), nil
}

// unconditional says whether the store does not know the condition, or its method.
func unconditional(answer minio.ErrorResponse) bool {
	switch answer.StatusCode {
	case http.StatusNotImplemented:
		return true
	case http.StatusBadRequest, http.StatusMethodNotAllowed:
		return !passes(answer)
	}
	return false
}

// Put implements lakestore.Store.
func (b *Bucket) Put(ctx context.Context, path string, content []byte) error {
	if err := b.putSmall(ctx, path, content, b.options()); err != nil {
		return classify("put "+path, err)
	}
	return nil
}

func (b *Bucket) putSmall(ctx context.Context, path string, document []byte, o minio.PutObjectOptions) error {
	c := contentOf(document)
	defer c.release()
	s := c.section(0, c.size, !b.secure)
	return retry(ctx, func(ctx context.Context) error {
		body := s.lend()
		defer body.end()
		_, err := b.client.PutObject(ctx, b.location.Bucket, b.key(path), body, s.size, s.md5, s.sha256, o)
		return err
	})
}

// Move implements lakestore.Store: the store copies, which takes up to 5 GB, and deletes.
func (b *Bucket) Move(ctx context.Context, from, to string) error {
	err := retry(ctx, func(ctx context.Context) error {
		o := b.options()
		_, err := b.client.Client.CopyObject(ctx, minio.CopyDestOptions{Bucket: b.location.Bucket, Object: b.key(to), Encryption: o.ServerSideEncryption},
			minio.CopySrcOptions{Bucket: b.location.Bucket, Object: b.key(from)})
		return err
	})
	if err != nil {
		err = missing(err)
		if errors.Is(err, fs.ErrNotExist) {
			if _, serr := b.client.StatObject(ctx, b.location.Bucket, b.key(to), minio.StatObjectOptions{}); serr == nil {
				return nil // already moved
			}
		}
		return classify("copy "+from, err)
	}
	return b.Remove(ctx, from)
}

// Remove implements lakestore.Store.
func (b *Bucket) Remove(ctx context.Context, path string) error {
	err := retry(ctx, func(ctx context.Context) error {
		return b.client.RemoveObject(ctx, b.location.Bucket, b.key(path), minio.RemoveObjectOptions{})
	})
	if err != nil {
		return classify("remove "+path, err)
	}
	return nil
}
