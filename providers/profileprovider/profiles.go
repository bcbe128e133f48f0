package profileprovider

import (
	"maps"
	"runtime"
	"slices"
	"strings"
)

// forward is the connector between receiving pipelines and storing pipelines.
const forward = "forward"

// journal is the processor that writes Kafka, and the receiver that follows it.
const journal = "kafka_replay"

// topicPrefix is the text that the resolver replaces by the prefix of all names in Kafka.
const topicPrefix = "${env:PENSTOCK_KAFKA_TOPIC_PREFIX:-penstock}"

// off switches off a default sink of a profile.
const off = "off"

// fragment is a piece of a profile: fragments/<name>.yaml.
type fragment struct {
	name string
	// sink replaces <sink> in the file.
	sink string
	// when says whether the fragment applies; nil: always.
	when func(surroundings) bool
	// fill adds configuration that YAML can't express; nil: nothing.
	fill func(surroundings) map[string]any
}

// sinks store or pass on data. Each has its own queue on disk or its own group of the journal, so one that is down delays no other.
var sinks = slices.Concat(
	sink("lake", func(s surroundings) bool { url, _ := s.env("PENSTOCK_LAKE_URL"); return url != off }, "sink_lake"),
	sink("remote_write", set("PENSTOCK_REMOTE_WRITE_URL"), "sink_remote_write", "guard", "rollup"),
	[]fragment{{name: "keys_remote_write", when: with(set("PENSTOCK_KEYS_FILE"), set("PENSTOCK_REMOTE_WRITE_URL"))}},
	sink("loki", set("PENSTOCK_LOKI_URL"), "sink_loki"),
	sink("otlp", set("PENSTOCK_OTLP_EXPORT_ENDPOINT"), "sink_otlp"),
	[]fragment{{name: "keys_otlp", when: with(set("PENSTOCK_KEYS_FILE"), set("PENSTOCK_OTLP_EXPORT_ENDPOINT"))}},
)

// sink is the fragments of one sink: its components, and its input.
func sink(name string, when func(surroundings) bool, parts ...string) []fragment {
	var all []fragment
	for _, part := range parts {
		all = append(all, fragment{name: part, sink: name, when: when})
	}
	return append(all,
		fragment{name: "queue_" + name, when: func(s surroundings) bool { return when(s) && !s.journaled() }},
		fragment{name: "follow_" + name, when: func(s surroundings) bool { return when(s) && s.journaled() }, fill: follower(name)})
}

// profiles maps names to fragments, in the order of the processors in a pipeline.
var profiles = map[string][]fragment{
	"standalone": slices.Concat([]fragment{
		{name: "common", fill: basics},
		{name: "memory_server", fill: limiterBounds},
		{name: "scrub"},
		{name: "scrub_shared", when: surroundings.sharesJournal, fill: keyBrokers},
		{name: "scrub_key", when: set("PENSTOCK_PII_KEY")},
		{name: "intake_otlp", fill: intake},
		{name: "intake_ingest", fill: ingestBounds},
		{name: "keys", when: set("PENSTOCK_KEYS_FILE")},
		{name: "keys_oidc", when: trustsIssuer},
		{name: "keys_ingest", when: set("PENSTOCK_KEYS_FILE")},
		{name: "intake_host_metrics", fill: hostIdentity},
		{name: "journal", fill: journalBrokers},
		{name: "ledger"},
		{name: "journal_embedded", when: surroundings.embedsKafka},
		{name: "sink_tsdb", fill: tsdbBounds},
		{name: "keys_tsdb", when: set("PENSTOCK_KEYS_FILE")},
		{name: "keys_oidc_tsdb", when: trustsIssuer},
		{name: "guard", sink: "tsdb", fill: guardBounds},
		{name: "rollup", sink: "tsdb", fill: rollupBounds},
		{name: "follow_tsdb", fill: follower("tsdb")},
		{name: "jobs_tsdb", fill: jobsOfTSDB},
		{name: "sink_logs", fill: logsBounds},
		{name: "keys_logs", when: set("PENSTOCK_KEYS_FILE")},
		{name: "follow_logs", fill: follower("logs")},
	}, sinks, replays),
	"agent": {
		{name: "common", fill: basics},
		{name: "queue_storage"},
		{name: "memory_agent"},
		{name: "scrub"},
		{name: "scrub_key", when: set("PENSTOCK_PII_KEY")},
		{name: "intake_otlp", fill: intake},
		{name: "keys", when: set("PENSTOCK_KEYS_FILE")},
		{name: "keys_oidc", when: trustsIssuer},
		{name: "intake_host_metrics", fill: hostIdentity},
		{name: "intake_statsd", fill: serviceOf("statsd_server")},
		{name: "intake_scrape", when: set("PENSTOCK_SCRAPE_CONFIG")},
		{name: "sink_gateway", fill: gatewayCertificates},
		{name: "sink_gateway_files", when: readsFiles, fill: gatewayCertificates},
		{name: "keys_gateway", when: set("PENSTOCK_KEYS_FILE")},
		{name: "gateway_key", when: set("PENSTOCK_GATEWAY_KEY")},
		{name: "gateway_key_files", when: func(s surroundings) bool { return readsFiles(s) && s.isSet("PENSTOCK_GATEWAY_KEY") }},
		{name: "intake_log_files", when: set("PENSTOCK_LOG_FILES"), fill: logFiles},
		{name: "intake_journald", when: surroundings.hasJournal, fill: journald},
		{name: "intake_syslog", when: set("PENSTOCK_SYSLOG_ENDPOINT"), fill: syslog},
	},
	"gateway": slices.Concat([]fragment{
		{name: "common", fill: basics},
		{name: "memory_server", fill: limiterBounds},
		{name: "scrub"},
		{name: "scrub_instances", when: func(s surroundings) bool { return !s.sharesJournal() }},
		{name: "scrub_shared", when: surroundings.sharesJournal, fill: keyBrokers},
		{name: "scrub_key", when: set("PENSTOCK_PII_KEY")},
		{name: "intake_otlp", fill: intake},
		{name: "intake_ingest", fill: ingestBounds},
		{name: "keys", when: set("PENSTOCK_KEYS_FILE")},
		{name: "keys_oidc", when: trustsIssuer},
		{name: "keys_ingest", when: set("PENSTOCK_KEYS_FILE")},
		{name: "journal", when: surroundings.journaled, fill: journalBrokers},
		{name: "ledger", when: surroundings.journaled},
		{name: "queue_storage", when: func(s surroundings) bool { return !s.journaled() }},
		{name: "state_storage", when: func(s surroundings) bool { return !s.journaled() && s.isSet("PENSTOCK_REMOTE_WRITE_URL") }},
	}, sinks, replays, []fragment{
		{name: "jobs_lake", sink: "metrics", when: toLake("PENSTOCK_REMOTE_WRITE_URL"), fill: jobs},
		{name: "jobs_remote_write", when: func(s surroundings) bool { return s.journaled() && s.isSet("PENSTOCK_REMOTE_WRITE_URL") }, fill: jobs},
	}),
}

func profileNames() []string {
	return slices.Sorted(maps.Keys(profiles))
}

func sinkVariables() string {
	return "PENSTOCK_LAKE_URL, PENSTOCK_REMOTE_WRITE_URL, PENSTOCK_LOKI_URL, PENSTOCK_OTLP_EXPORT_ENDPOINT or PENSTOCK_KAFKA_BROKERS"
}

func set(variable string) func(surroundings) bool {
	return func(s surroundings) bool { return s.isSet(variable) }
}

// trustsIssuer says whether tokens of an identity provider are accepted besides the keys.
func trustsIssuer(s surroundings) bool {
	return s.isSet("PENSTOCK_KEYS_FILE") && s.isSet("PENSTOCK_OIDC_ISSUER")
}

// with says whether all conditions hold.
func with(all ...func(surroundings) bool) func(surroundings) bool {
	return func(s surroundings) bool {
		return !slices.ContainsFunc(all, func(one func(surroundings) bool) bool { return !one(s) })
	}
}

// journaled says whether received data goes into Kafka first, and sinks follow it.
func (s surroundings) journaled() bool {
	return s.profile == "standalone" || s.isSet("PENSTOCK_KAFKA_BROKERS")
}

// embedsKafka says whether that Kafka is in this process.
func (s surroundings) embedsKafka() bool { return !s.isSet("PENSTOCK_KAFKA_BROKERS") }

// sharesJournal says whether other gateways may write the same journal: a Kafka in this process is for this machine only.
func (s surroundings) sharesJournal() bool { return s.journaled() && !s.embedsKafka() }

// brokers is the text that the resolver replaces by the brokers' addresses.
func (s surroundings) brokers() string {
	if s.embedsKafka() {
		return "${env:PENSTOCK_KAFKA_ENDPOINT:-127.0.0.1:9092}"
	}
	return "${env:PENSTOCK_KAFKA_BROKERS}"
}

// journalBrokers sets where the journal is written.
func journalBrokers(s surroundings) map[string]any {
	return map[string]any{"processors": map[string]any{journal: map[string]any{"brokers": s.brokers(), "topic_prefix": topicPrefix}}}
}

// keyBrokers sets the journal with the gateways' shared key.
func keyBrokers(s surroundings) map[string]any {
	return map[string]any{"extensions": map[string]any{"journal_key": map[string]any{"brokers": s.brokers(), "topic_prefix": topicPrefix}}}
}

// follower configures the receiver kafka_replay/<group>, which follows the journal for one sink.
func follower(group string) func(surroundings) map[string]any {
	return func(s surroundings) map[string]any {
		follow := map[string]any{"group": group}
		if group == "lake" {
			follow["range"] = map[string]any{"max_bytes": s.lakeRange()}
		}
		return map[string]any{"receivers": map[string]any{journal + "/" + group: map[string]any{
			"brokers": s.brokers(), "topic_prefix": topicPrefix, "follow": follow,
		}}}
	}
}

// basics is the configuration of every profile that depends on the machine and the environment.
func basics(s surroundings) map[string]any {
	conf := ownIdentity(s)
	merge(conf, certificates(s))
	return conf
}

// ownIdentity is the instance under which the collector reports about itself.
func ownIdentity(s surroundings) map[string]any {
	return map[string]any{"service": map[string]any{"telemetry": map[string]any{"resource": map[string]any{
		"attributes": []any{map[string]any{"name": "service.instance.id", "value": s.instanceID()}},
	}}}}
}

// hostAttributes sets the attributes of the data's origin.
func hostAttributes(s surroundings) map[string]any {
	return insertAttributes("resource/host", [][2]string{
		{"host.name", literal(s.hostName)},
		{"host.id", literal(s.hostID)},
		{"os.type", osType()},
		{"deployment.environment.name", s.reference("PENSTOCK_ENVIRONMENT")},
	})
}

// intake is the configuration of the OTLP listeners that depends on the machine and the environment.
func intake(s surroundings) map[string]any {
	conf := corsOrigins(s)
	if conf == nil {
		conf = map[string]any{}
	}
	merge(conf, intakeBounds(s))
	merge(conf, sharedQuotas(s))
	return conf
}

// corsOrigins allows pages of some origins to send OTLP over HTTP. cross_origin_protection refuses all others.
func corsOrigins(s surroundings) map[string]any {
	cors := corsOf(s)
	if cors == nil {
		return nil
	}
	return map[string]any{"receivers": map[string]any{"otlp": map[string]any{"protocols": map[string]any{"http": map[string]any{"cors": cors}}}}}
}

// corsOf is the list of origins as a listener has it, nil if there is none.
func corsOf(s surroundings) map[string]any {
	if !s.isSet("PENSTOCK_CORS_ORIGINS") {
		return nil
	}
	return map[string]any{"allowed_origins": s.list("PENSTOCK_CORS_ORIGINS"), "allowed_headers": []any{"*"}, "max_age": 7200}
}

// hostIdentity makes the machine an instance of the service `host`: Prometheus distinguishes machines by that.
func hostIdentity(s surroundings) map[string]any {
	conf := insertAttributes("resource/host_metrics", [][2]string{
		{"service.name", "host"},
		{"service.instance.id", s.instanceID()},
	})
	merge(conf, hostAttributes(s))
	if runtime.GOOS == "linux" {
		// The receiver's default, but without its warning in a container: the container's view of the machine is intended.
		merge(conf, map[string]any{"receivers": map[string]any{"host_metrics": map[string]any{"root_path": "/"}}})
	}
	return conf
}

// logFiles names the files to read.
func logFiles(s surroundings) map[string]any {
	conf := serviceOf("log_files")(s)
	merge(conf, map[string]any{"receivers": map[string]any{"log_files": map[string]any{"include": s.list("PENSTOCK_LOG_FILES")}}})
	return conf
}

// serviceOf sets a receiver's service.name for data without one.
func serviceOf(receiver string) func(surroundings) map[string]any {
	return func(s surroundings) map[string]any {
		if !s.isSet("PENSTOCK_SERVICE_NAME") {
			return map[string]any{}
		}
		return map[string]any{"receivers": map[string]any{receiver: map[string]any{"service_name": s.reference("PENSTOCK_SERVICE_NAME")}}}
	}
}

// syslog sets the listener's certificate. Of this machine's attributes only the environment is added, because the messages can be from other
// machines.
func syslog(s surroundings) map[string]any {
	conf := serviceOf("syslog_server")(s)
	certificate := map[string]any{}
	for key, variable := range map[string]string{"cert_file": "PENSTOCK_SYSLOG_TLS_CERT", "key_file": "PENSTOCK_SYSLOG_TLS_KEY", "client_ca_file": "PENSTOCK_SYSLOG_TLS_CLIENT_CA"} {
		if s.isSet(variable) {
			certificate[key] = s.reference(variable)
		}
	}
	if len(certificate) > 0 {
		merge(conf, map[string]any{"receivers": map[string]any{"syslog_server": map[string]any{"tls": certificate}}})
	}
	if environment := s.reference("PENSTOCK_ENVIRONMENT"); environment != "" {
		merge(conf, insertAttributes("resource/syslog", [][2]string{{"deployment.environment.name", environment}}))
		merge(conf, map[string]any{"service": map[string]any{"pipelines": map[string]any{"logs/syslog": map[string]any{"processors": []any{"resource/syslog"}}}}})
	}
	return conf
}

// journald sets the directory of the systemd journal, if it is not the machine's default.
func journald(s surroundings) map[string]any {
	conf := serviceOf("systemd_journal")(s)
	if directory := s.reference("PENSTOCK_JOURNALD_DIRECTORY"); directory != "" {
		merge(conf, map[string]any{"receivers": map[string]any{"systemd_journal": map[string]any{"directory": directory}}})
	}
	return conf
}

func (s surroundings) hasJournal() bool { return s.journal || s.isSet("PENSTOCK_JOURNALD_DIRECTORY") }

// readsFiles says whether there is a source that can wait.
func readsFiles(s surroundings) bool {
	return s.hasJournal() || s.isSet("PENSTOCK_LOG_FILES") || s.isSet("PENSTOCK_SYSLOG_ENDPOINT")
}

// insertAttributes configures a resource processor. Existing attributes stay; empty values are omitted.
func insertAttributes(processor string, attributes [][2]string) map[string]any {
	var actions []any
	for _, a := range attributes {
		if a[1] != "" {
			actions = append(actions, map[string]any{"key": a[0], "value": a[1], "action": "insert"})
		}
	}
	return map[string]any{"processors": map[string]any{processor: map[string]any{"attributes": actions}}}
}

// instanceID is the text that the resolver replaces by the instance's id.
func (s surroundings) instanceID() string {
	return "${env:PENSTOCK_INSTANCE_ID:-" + literal(s.hostName) + "}"
}

// reference is the text that the resolver replaces by the variable's value; empty if it has none.
func (s surroundings) reference(variable string) string {
	if !s.isSet(variable) {
		return ""
	}
	return "${env:" + variable + "}"
}

// osType is the operating system's name in the semantic conventions.
func osType() string {
	switch runtime.GOOS {
	case "dragonfly":
		return "dragonflybsd"
	case "zos":
		return "z_os"
	default:
		return runtime.GOOS
	}
}

func signalOf(pipeline string) string {
	signal, _, _ := strings.Cut(pipeline, "/")
	return signal
}

// follows says whether a pipeline reads from the journal.
func follows(pipeline any) bool {
	parts, _ := pipeline.(map[string]any)
	ids, _ := parts["receivers"].([]any)
	return slices.ContainsFunc(ids, func(id any) bool { text, _ := id.(string); return strings.HasPrefix(text, journal+"/") })
}

// contains says whether a pipeline's list (receivers or exporters) names the component.
func contains(pipeline any, list, component string) bool {
	parts, _ := pipeline.(map[string]any)
	ids, _ := parts[list].([]any)
	return slices.Contains(ids, any(component))
}
