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

// maxOpenOfTenant bounds the open jobs of one tenant's keys, so that other tenants' jobs find room.
const maxOpenOfTenant = 10

var errOtherTenant = errors.New("tenants: the API key may replay only its own tenant")

// sees reports whether the client may see and change the job: an operator may for all, another client for jobs that replay only its
// tenant.
func sees(c access.Client, job *replay.Job) bool {
	return c.Operator() || len(job.Spec.Tenants) == 1 && c.Sees(job.Spec.Tenants[0])
}

// confine limits a spec to the client's tenant, whose name it returns; empty: the client is an operator.
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

// ownID puts the tenant into the ids of its jobs, so that a taken id does not reveal another tenant's job.
func ownID(tenant, id string) string {
	sum := sha256.Sum256([]byte(tenant))
	prefix := "t" + hex.EncodeToString(sum[:4]) + "-"
	if strings.HasPrefix(id, prefix) {
		return id
	}
	return prefix + id
}
