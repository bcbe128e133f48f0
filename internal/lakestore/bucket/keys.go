package bucket

import (
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Keys sign requests. The zero value means: look for them where AWS's own tools do.
type Keys struct {
	AccessKeyID, SecretAccessKey, SessionToken string
}

// metadataTimeout bounds the question for keys that a machine or a container has by its role.
const metadataTimeout = 10 * time.Second

// provider returns where keys come from, in this order: k; AWS_ACCESS_KEY_ID and its companions; AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials,
// in it AWS_PROFILE; then what AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, a container's or the machine's role give. Keys that expire are asked for again.
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

// fromService says whether the environment names a service that gives keys.
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
