package bucket

import (
	"context"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/penstockhq/penstock/internal/lakestore"
)

// expireAtOnce bounds the names that are held: some 2 MB.
const expireAtOnce = 10_000

// Expire implements lakestore.Store, object by object: a reader can see a part of a partition while it goes, and of one that a killed process has begun until
// the next time.
func (b *Bucket) Expire(ctx context.Context, signal string, expired lakestore.Expired) (files int, err error) {
	for {
		keys, err := b.expiredKeys(ctx, signal, expired)
		if err != nil {
			return files, classify("list "+signal, err)
		}
		for _, key := range keys {
			err := again(ctx, func(ctx context.Context) error {
				return b.client.RemoveObject(ctx, b.location.Bucket, key, minio.RemoveObjectOptions{})
			})
			if err != nil {
				return files, classify("remove "+key, err)
			}
			files++
		}
		if len(keys) < expireAtOnce {
			return files, nil
		}
	}
}

// expiredKeys lists the signal's objects in the order of their hours, to the first hour that is not over, and returns those that are expired.
func (b *Bucket) expiredKeys(ctx context.Context, signal string, expired lakestore.Expired) (keys []string, err error) {
	now := time.Now()
	err = again(ctx, func(ctx context.Context) error {
		keys = keys[:0]
		for object := range b.client.ListObjectsIter(ctx, b.location.Bucket, minio.ListObjectsOptions{Prefix: b.key(signal) + "/", Recursive: true}) {
			if object.Err != nil {
				return object.Err
			}
			p, ok := lakestore.ParsePartition(path.Dir(strings.TrimPrefix(object.Key, b.prefix())))
			at := p.Hour.Add(time.Hour)
			switch {
			case !ok || path.Ext(object.Key) != lakestore.Extension:
				continue
			case at.After(now):
				return nil
			case p.Undated():
				at = object.LastModified
			}
			if expired(p, at) {
				keys = append(keys, object.Key)
			}
			if len(keys) == expireAtOnce {
				return nil
			}
		}
		return nil
	})
	return keys, err
}
