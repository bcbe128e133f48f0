package broker

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
)

// maxPartitions is the largest number of partitions of a topic.
const maxPartitions = 10_000

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func validTopic(name string) bool { return topicName.MatchString(name) && name != "." && name != ".." }

func (b *Broker) metadata(q *kmsg.MetadataRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.MetadataResponse)
	broker := kmsg.NewMetadataResponseBroker()
	broker.NodeID, broker.Host, broker.Port = nodeID, b.host, b.port
	resp.Brokers = append(resp.Brokers, broker)
	resp.ClusterID, resp.ControllerID = kmsg.StringPtr(clusterID), nodeID
	if q.Topics == nil || q.Version == 0 && len(q.Topics) == 0 {
		for _, t := range b.allTopics() {
			resp.Topics = append(resp.Topics, describe(t))
		}
		return resp
	}
	for _, asked := range q.Topics {
		t, code := b.requestedTopic(asked.Topic, asked.TopicID)
		if t == nil {
			out := kmsg.NewMetadataResponseTopic()
			out.Topic, out.TopicID, out.ErrorCode = asked.Topic, asked.TopicID, code
			resp.Topics = append(resp.Topics, out)
			continue
		}
		resp.Topics = append(resp.Topics, describe(t))
	}
	return resp
}

// requestedTopic returns the topic that a request names, by name or id.
func (b *Broker) requestedTopic(name *string, id [16]byte) (*topic, int16) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	switch {
	case name != nil && !validTopic(*name):
		return nil, kerr.InvalidTopicException.Code
	case name != nil:
		return b.topics[*name], kerr.UnknownTopicOrPartition.Code
	}
	return b.byID[id], kerr.UnknownTopicID.Code
}

func describe(t *topic) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	out.Topic, out.TopicID = kmsg.StringPtr(t.Name), t.ID
	for i, p := range t.partitions {
		part := kmsg.NewMetadataResponseTopicPartition()
		part.Partition, part.Leader, part.LeaderEpoch = int32(i), nodeID, p.log.Epoch()
		part.Replicas, part.ISR = []int32{nodeID}, []int32{nodeID}
		out.Partitions = append(out.Partitions, part)
	}
	return out
}

func (b *Broker) describeCluster(q *kmsg.DescribeClusterRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.DescribeClusterResponse)
	resp.ClusterID, resp.ControllerID = clusterID, nodeID
	broker := kmsg.NewDescribeClusterResponseBroker()
	broker.NodeID, broker.Host, broker.Port = nodeID, b.host, b.port
	resp.Brokers = append(resp.Brokers, broker)
	return resp
}

// createTopics creates the topics one after the other.
func (b *Broker) createTopics(q *kmsg.CreateTopicsRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.CreateTopicsResponse)
	b.creating.Lock()
	defer b.creating.Unlock()
	for i := range q.Topics {
		resp.Topics = append(resp.Topics, b.createTopic(&q.Topics[i], q.ValidateOnly))
	}
	// Without a share, a new topic could use the whole log until the next trim, and the broker would refuse the other topics too.
	if err := b.trim(time.Now()); err != nil {
		b.problem(err)
	}
	return resp
}

func (b *Broker) createTopic(q *kmsg.CreateTopicsRequestTopic, validateOnly bool) kmsg.CreateTopicsResponseTopic {
	out := kmsg.NewCreateTopicsResponseTopic()
	out.Topic = q.Topic
	refuse := func(err *kerr.Error, text string) kmsg.CreateTopicsResponseTopic {
		out.ErrorCode, out.ErrorMessage = err.Code, &text
		return out
	}
	partitions := int64(q.NumPartitions)
	if len(q.ReplicaAssignment) > 0 {
		partitions = int64(len(q.ReplicaAssignment))
	}
	if partitions == -1 {
		partitions = 1
	}
	switch {
	case !validTopic(q.Topic):
		return refuse(kerr.InvalidTopicException, fmt.Sprintf("%q is not a valid topic name", q.Topic))
	case b.topic(q.Topic) != nil:
		return refuse(kerr.TopicAlreadyExists, "topic "+q.Topic+" exists")
	case partitions < 1 || partitions > maxPartitions:
		return refuse(kerr.InvalidPartitions, fmt.Sprintf("%d partitions", partitions))
	case q.ReplicationFactor > 1:
		return refuse(kerr.InvalidReplicationFactor, fmt.Sprintf("replication factor %d: embedded_kafka is one broker", q.ReplicationFactor))
	}
	// Every partition keeps one segment; the other half of max_size is for records that are not consumed yet.
	if have, room := b.partitions.Load(), b.limit.Load()/2/b.set.SegmentBytes; have+partitions > room {
		return refuse(kerr.InvalidPartitions, fmt.Sprintf(
			"embedded_kafka: there are %d partitions; with %d more, segments of %d bytes would need more than half of max_size, which is enough for %d: use fewer partitions or a larger max_size",
			have, partitions, b.set.SegmentBytes, room))
	}
	configs := map[string]string{}
	for _, c := range q.Configs {
		if c.Value == nil {
			continue
		}
		value, err := b.checkConfig(c.Name, *c.Value)
		if err != nil {
			return refuse(kerr.InvalidConfig, err.Error())
		}
		configs[c.Name] = value
	}
	out.NumPartitions, out.ReplicationFactor = int32(partitions), 1
	if validateOnly {
		return out
	}
	t, err := b.create(q.Topic, int32(partitions), configs)
	if err != nil {
		b.problem(err)
		return refuse(kerr.KafkaStorageError, err.Error())
	}
	out.TopicID = t.ID
	return out
}

func (b *Broker) deleteTopics(q *kmsg.DeleteTopicsRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.DeleteTopicsResponse)
	b.creating.Lock()
	defer b.creating.Unlock()
	asked := q.Topics
	for _, name := range q.TopicNames {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		asked = append(asked, t)
	}
	for _, a := range asked {
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.TopicID = a.Topic, a.TopicID
		t, code := b.requestedTopic(a.Topic, a.TopicID)
		if t == nil {
			out.ErrorCode = code
		} else {
			out.Topic, out.TopicID = kmsg.StringPtr(t.Name), t.ID
			if err := b.remove(t); err != nil {
				b.problem(err)
				out.ErrorCode, out.ErrorMessage = kerr.KafkaStorageError.Code, kmsg.StringPtr(err.Error())
			}
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// refusePartitions refuses another number of partitions: the number decides which partition a series is in, so it is fixed.
func refusePartitions(q *kmsg.CreatePartitionsRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.CreatePartitionsResponse)
	for _, t := range q.Topics {
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic, out.ErrorCode = t.Topic, kerr.InvalidPartitions.Code
		out.ErrorMessage = kmsg.StringPtr("embedded_kafka: the number of partitions is fixed when the topic is created")
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (b *Broker) deleteRecords(q *kmsg.DeleteRecordsRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.DeleteRecordsResponse)
	for _, t := range q.Topics {
		rt := kmsg.NewDeleteRecordsResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			out := kmsg.NewDeleteRecordsResponseTopicPartition()
			out.Partition, out.LowWatermark = p.Partition, -1
			part := b.partition(t.Topic, p.Partition)
			if part == nil {
				out.ErrorCode = kerr.UnknownTopicOrPartition.Code
				rt.Partitions = append(rt.Partitions, out)
				continue
			}
			at := p.Offset
			if at == -1 {
				_, _, at = part.log.Range()
			}
			start, err := part.log.Trim(at)
			switch {
			case errors.Is(err, commitlog.ErrOutOfRange):
				out.ErrorCode = kerr.OffsetOutOfRange.Code
			case err != nil:
				b.problem(err)
				out.ErrorCode = kerr.KafkaStorageError.Code
			default:
				out.LowWatermark = start
			}
			rt.Partitions = append(rt.Partitions, out)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
