package bucket_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lakestore/bucket"
)

func TestLocations(t *testing.T) {
	for text, want := range map[string]bucket.Location{
		"s3://b":         {Bucket: "b", Endpoint: "https://s3.amazonaws.com"},
		"s3://b/a/lake/": {Bucket: "b", Prefix: "a/lake", Endpoint: "https://s3.amazonaws.com"},
		"gs://b/lake":    {Bucket: "b", Prefix: "lake", Endpoint: "https://storage.googleapis.com"},
		"s3://b/l?region=eu-west-1&encryption=aws:kms&kms_key_id=k":                {Bucket: "b", Prefix: "l", Endpoint: "https://s3.amazonaws.com", Region: "eu-west-1", Encryption: "aws:kms", KMSKeyID: "k"},
		"s3://b/l?endpoint=http://127.0.0.1:9000&region=us-east-1&path_style=true": {Bucket: "b", Prefix: "l", Endpoint: "http://127.0.0.1:9000", Region: "us-east-1", PathStyle: true},
	} {
		l, err := bucket.Parse(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, l, text)
		again, err := bucket.Parse(l.String())
		require.NoError(t, err, l.String())
		assert.Equal(t, l, again, "its own text is read as the same place")
	}
	a, _ := bucket.Parse("s3://b/l?endpoint=http://old")
	b, _ := bucket.Parse("s3://b/l?endpoint=http://new")
	assert.True(t, a.Same(b))
}

func TestLocationsThatAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"s3://key:hidden@b/l":             "keys don't belong in the URL",
		"s3:///l":                         "no bucket, want s3://bucket/prefix",
		"s3://b/a//c":                     `prefix "a//c": no empty or dotted parts`,
		"s3://b/../c":                     "no empty or dotted parts",
		"s3://b/l#x":                      "a # is not allowed",
		"s3://b/l?endpoint=127.0.0.1":     `parameter endpoint is "127.0.0.1": want http://host:port or https://host`,
		"s3://b/l?endpoint=http://h/path": "parameter endpoint is ",
		"s3://b/l?path_style=maybe":       `parameter path_style is "maybe": want true or false`,
		"s3://b/l?encryption=rot13":       `parameter encryption is "rot13": want AES256 or aws:kms`,
		"s3://b/l?kms_key_id=k":           "parameter kms_key_id needs encryption=aws:kms",
		"s3://b/l?acces_key=k":            "parameter acces_key is unknown; known are endpoint",
		"s3://b/l?a=%zz":                  "invalid URL escape",
		"s3://k:hidden@%zz/l":             "invalid URL escape",
	} {
		_, err := bucket.Parse(text)
		require.ErrorContains(t, err, want, text)
		assert.NotContains(t, err.Error(), "hidden")
	}
}
