package profileprovider

// sharedQuotas lets gateways with one Kafka share each quota.
func sharedQuotas(s surroundings) map[string]any {
	if s.profile == "agent" || !s.sharesJournal() {
		return map[string]any{}
	}
	return map[string]any{"extensions": map[string]any{"quota": map[string]any{"instance_id": s.instanceID(),
		"share": map[string]any{"brokers": s.brokers(), "topic_prefix": topicPrefix}}}}
}
