package journal

// Signal is a kind of telemetry; its value is the name in topics.
type Signal string

// The signals of the journal.
const (
	Metrics Signal = "metrics"
	Logs    Signal = "logs"
	Traces  Signal = "traces"
)

// Topic is the topic with the records of s: <prefix>.<signal>.
func (s Signal) Topic(prefix string) string { return prefix + "." + string(s) }

// Group is the consumer group of the followers called group: <prefix>.<signal>.<group>.
func (s Signal) Group(prefix, group string) string { return s.Topic(prefix) + "." + group }

// StateTopic holds the checkpoints of the followers called group, with the same partitions as the journal: <prefix>.<signal>.state.<group>.
func (s Signal) StateTopic(prefix, group string) string { return s.Topic(prefix) + ".state." + group }

// DeadLetterTopic holds records that can't be stored or read: <prefix>.deadletter.
func DeadLetterTopic(prefix string) string { return prefix + ".deadletter" }

// LayoutTopic holds settings that are fixed when topics are created: <prefix>.layout.
func LayoutTopic(prefix string) string { return prefix + ".layout" }

// JobsTopic holds the replay jobs of the receivers called name: <prefix>.jobs.<name>.
func JobsTopic(prefix, name string) string { return prefix + ".jobs." + name }

// QuotaTopic holds the usage of gateways that share quotas: <prefix>.quota, the last record of each gateway and account.
func QuotaTopic(prefix string) string { return prefix + ".quota" }
