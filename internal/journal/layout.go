package journal

import "fmt"

// Layout is what decides which partition a record goes to. It is fixed when a topic is made: with another one, the
// points of a series would be in two partitions.
type Layout struct {
	// Partitions of the topic.
	Partitions int32 `json:"partitions"`
	// Shards that the series of one service are spread over; metrics only. 1 keeps a service together.
	Shards int32 `json:"shards"`
	// Keys is the version of the rule in this package's comment.
	Keys int `json:"keys"`
}

// KeysVersion is the version of the rule by which keys are made.
const KeysVersion = 1

// Check returns an error that says what differs between the layout that a topic has and the wanted one, and what to do.
func (have Layout) Check(topic string, want Layout) error {
	if have == want {
		return nil
	}
	what := ""
	switch {
	case have.Partitions != want.Partitions:
		what = fmt.Sprintf("partitions: topic %s was created with %d, not %d", topic, have.Partitions, want.Partitions)
	case have.Shards != want.Shards:
		what = fmt.Sprintf("shards: topic %s was created with %d, not %d", topic, have.Shards, want.Shards)
	default:
		what = fmt.Sprintf("topic %s was created with version %d of the key rule, not %d", topic, have.Keys, want.Keys)
	}
	return fmt.Errorf("%s; series would change partition. To migrate: configure another topic_prefix here, let the followers of the old one "+
		"read to its end, then move them", what)
}

// SpreadBy returns the resource attributes, beside the tenant, by which the streams of signal are spread over partitions:
// "*" where a stream's own attributes count too, none where there is one partition.
func (have Layout) SpreadBy(signal Signal) []string {
	switch {
	case have.Partitions == 1:
		return nil
	case signal == Metrics && have.Shards > 1:
		return []string{"*"}
	case signal == Metrics:
		return []string{"service.namespace", "service.name"}
	case signal == Logs:
		return []string{"service.namespace", "service.name", "host.name"}
	}
	return []string{"*"}
}
