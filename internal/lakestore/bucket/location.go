package bucket

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
)

const (
	schemeS3  = "s3"
	schemeGCS = "gs"
	// gcsEndpoint speaks the S3 protocol, with HMAC keys (https://cloud.google.com/storage/docs/interoperability).
	gcsEndpoint = "https://storage.googleapis.com"
	AWSEndpoint = "https://s3.amazonaws.com"
)

// Kinds of encryption by the store, as its protocol names them.
const (
	encryptionS3  = "AES256"
	encryptionKMS = "aws:kms"
)

// Location is the place of a lake in an object store. It holds no keys.
type Location struct {
	// Bucket and Prefix: objects are called <Prefix>/<signal>/... The prefix has no leading or trailing slash and can be empty.
	Bucket, Prefix string
	// Endpoint is scheme://host[:port].
	Endpoint string
	// Region of the bucket; empty: AWS_REGION, AWS_DEFAULT_REGION, else the store's answer.
	Region string
	// PathStyle puts the bucket into the path of a request instead of the host's name.
	PathStyle bool
	// Encryption is empty (the bucket's default), AES256 or aws:kms.
	Encryption string
	// KMSKeyID names the key for aws:kms; empty: the account's own.
	KMSKeyID string
}

// Is reports whether text is a URL of an object store.
func Is(text string) bool {
	return strings.HasPrefix(text, schemeS3+"://") || strings.HasPrefix(text, schemeGCS+"://")
}

// Parse parses s3://bucket/prefix?endpoint=...&region=...&path_style=true&encryption=aws:kms&kms_key_id=..., or the same with gs://, whose endpoint
// is Google's. Every part of the query is optional. Errors name the wrong part, and never repeat a password.
func Parse(text string) (Location, error) {
	u, err := url.Parse(text)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) { // its text contains the whole URL
			err = inner.Err
		}
		return Location{}, err
	}
	l := Location{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/"), Endpoint: AWSEndpoint}
	if u.Scheme == schemeGCS {
		l.Endpoint = gcsEndpoint
	}
	switch {
	case u.User != nil:
		return Location{}, errors.New("keys don't belong in the URL: use the AWS variables, or s3::access_key_id and s3::secret_access_key")
	case u.Fragment != "":
		return Location{}, errors.New("a # is not allowed")
	case l.Bucket == "":
		return Location{}, fmt.Errorf("no bucket, want %s://bucket/prefix", u.Scheme)
	case path.Clean("/"+l.Prefix) != "/"+l.Prefix:
		return Location{}, fmt.Errorf("prefix %q: no empty or dotted parts", l.Prefix)
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Location{}, err
	}
	var errs []error
	for key, all := range values {
		if err := l.set(key, all[len(all)-1]); err != nil {
			errs = append(errs, fmt.Errorf("parameter %s %w", key, err))
		}
	}
	if l.KMSKeyID != "" && l.Encryption != encryptionKMS {
		errs = append(errs, fmt.Errorf("parameter kms_key_id needs encryption=%s", encryptionKMS))
	}
	return l, errors.Join(errs...)
}

func (l *Location) set(key, value string) (err error) {
	switch key {
	case "endpoint":
		u, err := url.Parse(value)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return fmt.Errorf("is %q: want http://host:port or https://host", value)
		}
		l.Endpoint = u.Scheme + "://" + u.Host
	case "region":
		l.Region = value
	case "path_style":
		l.PathStyle, err = strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("is %q: want true or false", value)
		}
	case "encryption":
		if value != encryptionS3 && value != encryptionKMS {
			return fmt.Errorf("is %q: want %s or %s", value, encryptionS3, encryptionKMS)
		}
		l.Encryption = value
	case "kms_key_id":
		l.KMSKeyID = value
	default:
		return errors.New("is unknown; known are endpoint, region, path_style, encryption and kms_key_id")
	}
	return nil
}

// String is the URL of l, the same for equal locations.
func (l Location) String() string {
	q := url.Values{}
	add := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	if l.Endpoint != AWSEndpoint {
		add("endpoint", l.Endpoint)
	}
	add("region", l.Region)
	if l.PathStyle {
		add("path_style", "true")
	}
	add("encryption", l.Encryption)
	add("kms_key_id", l.KMSKeyID)
	u := url.URL{Scheme: schemeS3, Host: l.Bucket, Path: "/" + l.Prefix, RawQuery: q.Encode()}
	return u.String()
}

// Same reports whether l and o name the same objects: the endpoint of a store can change, its buckets stay.
func (l Location) Same(o Location) bool { return l.Bucket == o.Bucket && l.Prefix == o.Prefix }
