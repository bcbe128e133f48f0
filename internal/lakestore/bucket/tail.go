package bucket

import (
	"context"
	"errors"
	"io"

	"github.com/minio/minio-go/v7"
)

// Tail implements lakestore.Store: one request, for a range.
func (b *Bucket) Tail(ctx context.Context, path string, n int64) (tail []byte, err error) {
	o := minio.GetObjectOptions{}
	if err := o.SetRange(0, -n); err != nil {
		return nil, err
	}
	err = retry(ctx, func(ctx context.Context) error {
		body, _, _, err := b.client.GetObject(ctx, b.location.Bucket, b.key(path), o)
		var answer minio.ErrorResponse
		if errors.As(err, &answer) && answer.Code == minio.InvalidRange { // some stores refuse the last n bytes of a shorter object
			body, _, _, err = b.client.GetObject(ctx, b.location.Bucket, b.key(path), minio.GetObjectOptions{})
		}
		if err != nil {
			return err
		}
		tail, err = io.ReadAll(body)
		if cerr := body.Close(); err == nil {
			err = cerr
		}
		return err
	})
	if err != nil {
		return nil, classify("get "+path, missing(err))
	}
	return tail[max(0, int64(len(tail))-n):], nil // a store may answer with the whole object
}
