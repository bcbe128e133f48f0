package broker

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// control installs the refusals: requests that kfake would serve badly, and
// produce requests for which there is no room.
func (b *Broker) control() {
	b.cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		resp := b.refuseProduce(req.(*kmsg.ProduceRequest))
		return resp, nil, resp != nil
	})
	b.cluster.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		resp := b.refuseTopics(req.(*kmsg.CreateTopicsRequest))
		return resp, nil, resp != nil
	})
	b.cluster.ControlKey(int16(kmsg.IncrementalAlterConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.cluster.KeepControl()
		resp := refuseAlter(req.(*kmsg.IncrementalAlterConfigsRequest))
		return resp, nil, resp != nil
	})
}

// refuseProduce answers a retryable error when there is no room. Transactions
// are consumers' checkpoints: they free room in the end, and go on longer.
func (b *Broker) refuseProduce(req *kmsg.ProduceRequest) kmsg.Response {
	var room bool
	if req.TransactionID != nil {
		room = !b.exhausted.Load()
	} else {
		room = !b.full.Load() && b.rooms.Load().take(req)
	}
	if room {
		size := int64(0)
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				size += int64(len(p.Records))
			}
		}
		if b.bytes.Add(size) >= b.set.MaxBytes { // The next look at the files says it exactly.
			b.full.Store(true)
		}
		return nil
	}
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition = p.Partition
			rp.ErrorCode = kerr.ThrottlingQuotaExceeded.Code
			rp.ErrorMessage = kmsg.StringPtr("embedded_kafka: the topic's part of max_size is used up, or the disk is full, and no group has consumed enough to delete")
			rp.BaseOffset = -1
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// refuseTopics answers for a request that makes a compacted topic, or more
// partitions than the cap has room for: every partition keeps one segment, and
// half of the cap is for what is on its way. A segment size above the broker's
// is lowered to it.
func (b *Broker) refuseTopics(req *kmsg.CreateTopicsRequest) kmsg.Response {
	wanted := int64(0)
	code, reason := int16(0), ""
	for i := range req.Topics {
		t := &req.Topics[i]
		wanted += max(int64(t.NumPartitions), int64(len(t.ReplicaAssignment)))
		for j := range t.Configs {
			c := &t.Configs[j]
			switch {
			case c.Value == nil:
			case c.Name == "cleanup.policy" && strings.Contains(*c.Value, "compact"):
				code, reason = kerr.InvalidConfig.Code, "embedded_kafka does not compact: use cleanup.policy=delete"
			case c.Name == "segment.bytes":
				if n, err := strconv.ParseInt(*c.Value, 10, 64); err != nil || n > b.set.SegmentBytes {
					c.Value = kmsg.StringPtr(strconv.FormatInt(b.set.SegmentBytes, 10))
				}
			}
		}
	}
	if room := b.set.MaxBytes / 2 / b.set.SegmentBytes; b.partitions.Load()+wanted > room {
		code = kerr.InvalidPartitions.Code
		reason = fmt.Sprintf("embedded_kafka: %d partitions and these %d need more than half of max_size in segments of %d bytes, room for %d: use fewer partitions or a larger max_size",
			b.partitions.Load(), wanted, b.set.SegmentBytes, room)
	}
	if code == 0 {
		if !req.ValidateOnly {
			b.partitions.Add(wanted) // The next look at the topics corrects it, if they were not made.
		}
		return nil
	}
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewCreateTopicsResponseTopic()
		rt.Topic, rt.ErrorCode, rt.ErrorMessage = t.Topic, code, kmsg.StringPtr(reason)
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// refuseAlter answers for a request that turns compaction on.
func refuseAlter(req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	compacts := false
	for _, r := range req.Resources {
		for _, c := range r.Configs {
			compacts = compacts || (c.Name == "cleanup.policy" && c.Value != nil && strings.Contains(*c.Value, "compact"))
		}
	}
	if !compacts {
		return nil
	}
	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for _, r := range req.Resources {
		rr := kmsg.NewIncrementalAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName = r.ResourceType, r.ResourceName
		rr.ErrorCode, rr.ErrorMessage = kerr.InvalidConfig.Code, kmsg.StringPtr("embedded_kafka does not compact")
		resp.Resources = append(resp.Resources, rr)
	}
	return resp
}
