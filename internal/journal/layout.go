package journal

import "fmt"

// Layout decides to which partition a record goes. It is fixed when a topic is created: with another layout, the points of a series would be in two
// partitions.
type Layout struct {
	// Partitions of the topic.
	Partitions int32 `json:"partitions"`
	// Shards over which the series of one service are distributed; metrics only. 1 keeps a service together.
	Shards int32 `json:"shards"`
	// Keys is the version of the key rule in this package's comment.
	Keys int `json:"keys"`
}

// KeysVersion is the current version of the key rule.
const KeysVersion = 1

// Check returns an error with the difference between a topic's layout and the wanted one, and the way to migrate.
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

// SpreadBy returns the resource attributes that, with the tenant, distribute the streams of signal over partitions: "*" if a stream's own
// attributes count too, none if there is one partition.
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
