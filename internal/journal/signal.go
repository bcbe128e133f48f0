package journal

// Signal is a kind of telemetry; its value is the name in topics.
type Signal string

// The signals of the journal.
const (
	Metrics Signal = "metrics"
	Logs    Signal = "logs"
	Traces  Signal = "traces"
)

// Topic is where the journal keeps records of s: <prefix>.<signal>.
func (s Signal) Topic(prefix string) string { return prefix + "." + string(s) }

// Group is the consumer group of the followers called group: <prefix>.<signal>.<group>.
func (s Signal) Group(prefix, group string) string { return s.Topic(prefix) + "." + group }

// StateTopic holds the checkpoints of the followers called group, partition for partition beside the journal:
// <prefix>.<signal>.state.<group>.
func (s Signal) StateTopic(prefix, group string) string { return s.Topic(prefix) + ".state." + group }

// DeadLetterTopic holds what can't be kept or read: <prefix>.deadletter.
func DeadLetterTopic(prefix string) string { return prefix + ".deadletter" }

// LayoutTopic holds what is fixed when topics are made: <prefix>.layout.
func LayoutTopic(prefix string) string { return prefix + ".layout" }

// JobsTopic holds what replay jobs there are, of the receivers called name: <prefix>.jobs.<name>.
func JobsTopic(prefix, name string) string { return prefix + ".jobs." + name }

// QuotaTopic holds what gateways that share quotas have used: <prefix>.quota, the last record of each gateway and account.
func QuotaTopic(prefix string) string { return prefix + ".quota" }
