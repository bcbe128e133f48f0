// Package place parses and opens the place of a lake, in the form of a configuration.
package place

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/bucket"
)

// S3Config holds the keys of an object store.
type S3Config struct {
	// AccessKeyID names the key. It needs SecretAccessKey.
	AccessKeyID string `mapstructure:"access_key_id"`
	// SecretAccessKey signs requests.
	SecretAccessKey configopaque.String `mapstructure:"secret_access_key"`
	// SessionToken belongs to keys that expire. Default: none.
	SessionToken configopaque.String `mapstructure:"session_token"`
}

// Keys are the keys that sign requests.
func (c S3Config) Keys() bucket.Keys {
	return bucket.Keys{AccessKeyID: c.AccessKeyID, SecretAccessKey: string(c.SecretAccessKey), SessionToken: string(c.SessionToken)}
}

// Validate checks a URL and its keys.
func Validate(text string, s3 S3Config) error {
	keys := s3 != S3Config{}
	if bucket.Is(text) {
		_, err := Bucket(text)
		if keys && (s3.AccessKeyID == "" || s3.SecretAccessKey == "") {
			err = errors.Join(err, errors.New("s3: access_key_id and secret_access_key belong together"))
		}
		return err
	}
	_, err := Directory(text)
	if keys {
		err = errors.Join(err, errors.New("s3: keys are for a url of an object store, s3://bucket/prefix"))
	}
	return err
}

// Bucket is the place in an object store that a URL names.
func Bucket(text string) (bucket.Location, error) {
	l, err := bucket.Parse(text)
	if err != nil {
		return l, fmt.Errorf("url: %w", err)
	}
	return l, nil
}

// Directory is the directory that a URL names.
func Directory(text string) (string, error) {
	if text == "" {
		return "", errors.New("url: required, e.g. file:///var/lib/penstock/lake or s3://bucket/lake")
	}
	path, isFile := strings.CutPrefix(text, "file://")
	if !isFile {
		if scheme, _, ok := strings.Cut(text, "://"); ok {
			return "", fmt.Errorf("url: %q: scheme %q is not supported, use s3://, gs://, file:// or a path", text, scheme)
		}
		return text, nil
	}
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "./") && !strings.HasPrefix(path, "../") {
		return "", fmt.Errorf("url: %q: want file:///absolute/path or file://./relative/path", text)
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return "", fmt.Errorf("url: %q: %w", text, err)
	}
	return path, nil
}

// Open opens a lake. It sends no request to an object store.
func Open(text string, s3 S3Config) (lakestore.Store, error) {
	if bucket.Is(text) {
		location, err := Bucket(text)
		if err != nil {
			return nil, err
		}
		return bucket.New(location, s3.Keys())
	}
	root, err := Directory(text)
	if err != nil {
		return nil, err
	}
	dir, _, err := lakestore.Open(root)
	return dir, err
}
