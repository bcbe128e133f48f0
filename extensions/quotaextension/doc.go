// Package quotaextension limits tenants, services and API keys to their quotas, at every listener.
package quotaextension

//go:generate mdatagen metadata.yaml
