// Package quotaprocessor enforces quotas of tenants, services and API keys that need the decoded request: items, services, and tenants that
// resources name.
package quotaprocessor

//go:generate mdatagen metadata.yaml
