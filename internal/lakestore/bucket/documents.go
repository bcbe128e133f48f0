package bucket

import (
	"bytes"
	"context"
	"io"
	"path"

	"github.com/minio/minio-go/v7"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// Documents implements lakestore.Store: a request for the list, and one for each document.
func (b *Bucket) Documents(ctx context.Context, dir string) (all map[string][]byte, err error) {
	err = retry(ctx, func(ctx context.Context) error {
		all = map[string][]byte{}
		for object := range b.client.ListObjectsIter(ctx, b.location.Bucket, minio.ListObjectsOptions{Prefix: b.key(dir) + "/", Recursive: true}) {
			if object.Err != nil {
				return object.Err
			}
			if object.Size > lakestore.MaxDocument {
				continue
			}
			content, err := b.document(ctx, object.Key)
			if err != nil {
				return err
			}
			all[path.Base(object.Key)] = content
		}
		return nil
	})
	if err != nil {
		return nil, classify("read "+dir, err)
	}
	return all, nil
}

func (b *Bucket) document(ctx context.Context, key string) ([]byte, error) {
	body, _, _, err := b.client.GetObject(ctx, b.location.Bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(body, lakestore.MaxDocument))
	if cerr := body.Close(); err == nil {
		err = cerr
	}
	return content, err
}

// PutDocument implements lakestore.Store.
func (b *Bucket) PutDocument(ctx context.Context, dir, name string, content []byte) error {
	return b.Put(ctx, path.Join(dir, name), content)
}

func contentOf(b []byte) *content {
	c := &content{}
	_, _ = io.Copy(c, bytes.NewReader(b))
	return c
}
