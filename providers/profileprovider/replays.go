package profileprovider

// replays send past ranges to sinks again, each signal to one.
var replays = []fragment{
	{name: "jobs_lake", sink: "logs", when: toLake("PENSTOCK_LOKI_URL"), fill: jobs},
	{name: "jobs_lake", sink: "traces", when: toLake("PENSTOCK_OTLP_EXPORT_ENDPOINT"), fill: jobs},
	{name: "jobs_logs", sink: "logs", when: with(withoutLake, unset("PENSTOCK_LOKI_URL")), fill: jobs},
	{name: "jobs_logs", sink: "traces", when: with(withoutLake, unset("PENSTOCK_OTLP_EXPORT_ENDPOINT")), fill: jobs},
	{name: "jobs_loki", when: func(s surroundings) bool { return s.journaled() && s.isSet("PENSTOCK_LOKI_URL") }, fill: jobs},
	{name: "jobs_otlp", when: func(s surroundings) bool { return s.journaled() && s.isSet("PENSTOCK_OTLP_EXPORT_ENDPOINT") }, fill: jobs},
}

// toLake says whether replays of a signal go into the lake: there is one, and the variable names no store of that signal.
func toLake(variable string) func(surroundings) bool {
	return func(s surroundings) bool {
		url, _ := s.env("PENSTOCK_LAKE_URL")
		return s.journaled() && url != off && !s.isSet(variable)
	}
}

// withoutLake says whether replays of logs and traces go to the store of this process.
func withoutLake(s surroundings) bool {
	url, _ := s.env("PENSTOCK_LAKE_URL")
	return s.profile == "standalone" && url == off
}

func unset(variable string) func(surroundings) bool {
	return func(s surroundings) bool { return !s.isSet(variable) }
}

// jobs configures the receiver kafka_replay/jobs, which replays past ranges of the journal.
func jobs(s surroundings) map[string]any {
	return map[string]any{"receivers": map[string]any{journal + "/jobs": map[string]any{
		"brokers": s.brokers(), "topic_prefix": topicPrefix,
	}}}
}

// jobsOfTSDB also sets the TSDB of this process as the destination of replays, and the label by which it separates tenants.
func jobsOfTSDB(s surroundings) map[string]any {
	conf := jobs(s)
	target := map[string]any{"type": "prometheus", "endpoint": "http://${env:PENSTOCK_TSDB_ENDPOINT:-127.0.0.1:9090}"}
	if s.isSet("PENSTOCK_KEYS_FILE") {
		target["tenant_label"] = "tenant_id"
	}
	merge(conf, map[string]any{"receivers": map[string]any{journal + "/jobs": map[string]any{"jobs": map[string]any{"targets": []any{target}}}}})
	return conf
}
