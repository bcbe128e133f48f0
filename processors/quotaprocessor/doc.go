// Package quotaprocessor holds tenants, services and API keys to their quotas of what only the decoded request tells: items, services, and
// tenants that resources name.
package quotaprocessor

//go:generate mdatagen metadata.yaml
