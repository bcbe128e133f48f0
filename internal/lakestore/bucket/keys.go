package bucket

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Keys sign requests. The zero value means: search for them like AWS's own tools.
type Keys struct {
	AccessKeyID, SecretAccessKey, SessionToken string
}

// metadataTimeout bounds the request for the keys of a machine's or container's role.
const metadataTimeout = 10 * time.Second

// provider returns the source of keys, in this order: k; AWS_ACCESS_KEY_ID and its companions; AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials,
// with AWS_PROFILE; then the keys of AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, or of a container's or the machine's role. Keys that expire are
// requested again.
func (k Keys) provider() *credentials.Credentials {
	if k.AccessKeyID != "" {
		return credentials.NewStaticV4(k.AccessKeyID, k.SecretAccessKey, k.SessionToken)
	}
	return credentials.New(&search{places: []place{
		{"the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", &credentials.EnvAWS{}},
		{"the credentials file", &credentials.FileAWSCredentials{}},
		{"the role", &credentials.IAM{Client: &http.Client{Timeout: metadataTimeout}}},
	}})
}

// search takes keys from the first place that has any. Without keys it returns an error, where the library's own chain would send unsigned requests, whose answer,
// "access denied", says nothing about the cause: half of a pair, a token file that is missing, a service that does not answer.
type search struct {
	places []place
	found  credentials.Provider
}

type place struct {
	name string
	credentials.Provider
}

var _ credentials.Provider = (*search)(nil)

// RetrieveWithCredContext implements credentials.Provider.
func (s *search) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	s.found = nil
	var last error
	for _, p := range s.places {
		v, err := p.RetrieveWithCredContext(cc)
		switch {
		case err == nil && v.AccessKeyID != "" && v.SecretAccessKey != "":
			s.found = p
			return v, nil
		case err == nil && (v.AccessKeyID != "" || v.SecretAccessKey != ""):
			return credentials.Value{}, fmt.Errorf("%w in %s", errHalf, p.name)
		}
		last = err
	}
	if !fromService() {
		return credentials.Value{}, errNoKeys // what a machine's role answers, or that there is none, is beside the point
	}
	return credentials.Value{}, fmt.Errorf("the service that the environment names gives no keys: %w", last)
}

// Retrieve implements credentials.Provider.
func (s *search) Retrieve() (credentials.Value, error) { return s.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider.
func (s *search) IsExpired() bool { return s.found == nil || s.found.IsExpired() }

// fromService says whether the environment names a service that provides keys.
func fromService() bool {
	for _, variable := range []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		if os.Getenv(variable) != "" {
			return true
		}
	}
	return false
}

// errHalf: a key without its secret, or the other way round.
var errHalf = errors.New("a key and its secret belong together, and there is only one of them")

var errNoKeys = errors.New("no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a credentials file, a web identity, " +
	"or s3::access_key_id and s3::secret_access_key")
