package bucket

import (
	"errors"
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
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{},
		&credentials.FileAWSCredentials{},
		&credentials.IAM{Client: &http.Client{Timeout: metadataTimeout}},
	})
}

// fromService says whether the environment names a service that provides keys.
func fromService() bool {
	for _, variable := range []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		if os.Getenv(variable) != "" {
			return true
		}
	}
	return false
}

var errNoKeys = errors.New("no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a credentials file, a web identity, " +
	"or s3::access_key_id and s3::secret_access_key")
