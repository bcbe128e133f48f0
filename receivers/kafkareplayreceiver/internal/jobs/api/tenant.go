package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/receivers/kafkareplayreceiver/internal/replay"
)

// maxOpenOfTenant bounds the jobs of one tenant's keys that have not ended: the others' jobs find room.
const maxOpenOfTenant = 10

var errOtherTenant = errors.New("tenants: the API key may replay only its own tenant")

// sees says whether the client may see and change the job: an operator all, others those that replay their tenant and no other.
func sees(c access.Client, job *replay.Job) bool {
	return c.Operator() || len(job.Spec.Tenants) == 1 && c.Sees(job.Spec.Tenants[0])
}

// confine makes of a spec one of the client's tenant, whose name it returns; empty: the client is an operator.
func confine(c access.Client, spec *replay.Spec) (tenant string, err error) {
	tenant, one := c.Tenant()
	switch {
	case !one:
		return "", nil
	case tenant == "":
		return "", errOtherTenant
	case len(spec.Tenants) > 0 && !slices.Equal(spec.Tenants, []string{tenant}):
		return "", errOtherTenant
	}
	spec.Tenants = []string{tenant}
	if spec.ID != "" {
		spec.ID = ownID(tenant, spec.ID)
	}
	return tenant, nil
}

// ownID puts a tenant's names of jobs apart from those of others: by a name that is taken nobody learns of another's job.
func ownID(tenant, id string) string {
	sum := sha256.Sum256([]byte(tenant))
	prefix := "t" + hex.EncodeToString(sum[:4]) + "-"
	if strings.HasPrefix(id, prefix) {
		return id
	}
	return prefix + id
}
