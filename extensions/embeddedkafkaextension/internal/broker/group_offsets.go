package broker

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/ledger"
)

func (b *Broker) findCoordinator(q *kmsg.FindCoordinatorRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.FindCoordinatorResponse)
	resp.NodeID, resp.Host, resp.Port = nodeID, b.host, b.port
	for _, key := range q.CoordinatorKeys {
		c := kmsg.NewFindCoordinatorResponseCoordinator()
		c.Key, c.NodeID, c.Host, c.Port = key, nodeID, b.host, b.port
		resp.Coordinators = append(resp.Coordinators, c)
	}
	return resp
}

// describe describes groups and their members.
func (g *groups) describe(q *kmsg.DescribeGroupsRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.DescribeGroupsResponse)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, name := range q.Groups {
		out := kmsg.NewDescribeGroupsResponseGroup()
		out.Group, out.State = name, groupDead
		if _, ok := g.b.ledger.Offsets(name); ok {
			out.State, out.ProtocolType = groupEmpty, consumerProtocol
		}
		if gr := g.all[name]; gr != nil {
			out.State, out.ProtocolType = gr.state, gr.protocolType
			if gr.state == groupStable {
				out.Protocol = gr.protocol
			}
			for _, id := range slices.Sorted(maps.Keys(gr.members)) {
				m := gr.members[id]
				rm := kmsg.NewDescribeGroupsResponseGroupMember()
				rm.MemberID, rm.InstanceID, rm.ClientID, rm.ClientHost = id, m.instance, m.clientID, m.host
				if gr.state == groupStable {
					rm.ProtocolMetadata, rm.MemberAssignment = m.metadata(gr.protocol), m.assignment
				}
				out.Members = append(out.Members, rm)
			}
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}

func (g *groups) list(q *kmsg.ListGroupsRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.ListGroupsResponse)
	g.mu.Lock()
	defer g.mu.Unlock()
	states := map[string]kmsg.ListGroupsResponseGroup{}
	for _, name := range g.b.ledger.Groups() {
		states[name] = kmsg.ListGroupsResponseGroup{Group: name, ProtocolType: consumerProtocol, GroupState: groupEmpty}
	}
	for name, gr := range g.all {
		states[name] = kmsg.ListGroupsResponseGroup{Group: name, ProtocolType: gr.protocolType, GroupState: gr.state}
	}
	for _, name := range slices.Sorted(maps.Keys(states)) {
		if len(q.StatesFilter) == 0 || slices.Contains(q.StatesFilter, states[name].GroupState) {
			resp.Groups = append(resp.Groups, states[name])
		}
	}
	return resp
}

// remove deletes groups without members.
func (g *groups) remove(q *kmsg.DeleteGroupsRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.DeleteGroupsResponse)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, name := range q.Groups {
		out := kmsg.NewDeleteGroupsResponseGroup()
		out.Group = name
		_, known := g.b.ledger.Offsets(name)
		gr := g.all[name]
		switch {
		case gr != nil && len(gr.members) > 0:
			out.ErrorCode = kerr.NonEmptyGroup.Code
		case gr == nil && !known:
			out.ErrorCode = kerr.GroupIDNotFound.Code
		default:
			delete(g.all, name)
			out.ErrorCode = g.b.errorOf(g.b.ledger.Write(ledger.Change{NoGroup: name}))
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}

// mayCommit says whether this member may commit offsets of a group.
func (g *groups) mayCommit(name, member string, instance *string, generation int32) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	gr := g.all[name]
	if name == "" {
		return kerr.InvalidGroupID
	}
	if generation < 0 && member == "" {
		if gr != nil && len(gr.members) > 0 {
			return kerr.UnknownMemberID
		}
		return nil // an administrator, or a consumer without a group's protocol
	}
	_, err := gr.member(member, instance)
	switch {
	case err != nil:
		return err
	case generation != gr.generation:
		return kerr.IllegalGeneration
	case gr.state == groupCompleting:
		return kerr.RebalanceInProgress
	}
	return nil
}

// commit stores offsets.
func (g *groups) commit(q *kmsg.OffsetCommitRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.OffsetCommitResponse)
	failed := g.mayCommit(q.Group, q.MemberID, q.InstanceID, q.Generation)
	var offsets []ledger.Offset
	for _, t := range q.Topics {
		rt := kmsg.NewOffsetCommitResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			out := kmsg.NewOffsetCommitResponseTopicPartition()
			out.Partition = p.Partition
			switch {
			case failed != nil:
			case g.b.partition(t.Topic, p.Partition) == nil:
				out.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case p.Metadata != nil && len(*p.Metadata) > maxOffsetMetadata:
				out.ErrorCode = kerr.OffsetMetadataTooLarge.Code
			default:
				offsets = append(offsets, ledger.Offset{Partition: ledger.Partition{Topic: t.Topic, Index: p.Partition}, Offset: p.Offset, Epoch: p.LeaderEpoch, Metadata: p.Metadata})
			}
			rt.Partitions = append(rt.Partitions, out)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	if failed == nil && len(offsets) > 0 {
		failed = g.b.ledger.Write(ledger.Change{Group: q.Group, Offsets: offsets})
	}
	if code := g.b.errorOf(failed); code != 0 {
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				resp.Topics[i].Partitions[j].ErrorCode = code
			}
		}
	}
	return resp
}

// offsetsOf returns the offsets that a group has committed for the requested partitions; with all, for every partition.
func (b *Broker) offsetsOf(group string, asked []kmsg.OffsetFetchRequestGroupTopic, all bool) []kmsg.OffsetFetchResponseGroupTopic {
	have, _ := b.ledger.Offsets(group)
	byPartition := map[ledger.Partition]ledger.Offset{}
	if all {
		asked = nil
	}
	for _, o := range have {
		byPartition[o.Partition] = o
		if !all {
			continue
		}
		if n := len(asked); n == 0 || asked[n-1].Topic != o.Topic {
			t := kmsg.NewOffsetFetchRequestGroupTopic()
			t.Topic = o.Topic
			asked = append(asked, t)
		}
		t := &asked[len(asked)-1]
		t.Partitions = append(t.Partitions, o.Index)
	}
	var out []kmsg.OffsetFetchResponseGroupTopic
	for _, t := range asked {
		rt := kmsg.NewOffsetFetchResponseGroupTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = p, -1, -1, kmsg.StringPtr("")
			if o, ok := byPartition[ledger.Partition{Topic: t.Topic, Index: p}]; ok {
				rp.Offset, rp.LeaderEpoch = o.Offset, o.Epoch
				if o.Metadata != nil {
					rp.Metadata = o.Metadata
				}
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		out = append(out, rt)
	}
	return out
}

func (b *Broker) offsetFetch(q *kmsg.OffsetFetchRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.OffsetFetchResponse)
	if q.Version >= 8 {
		for _, g := range q.Groups {
			out := kmsg.NewOffsetFetchResponseGroup()
			out.Group, out.Topics = g.Group, b.offsetsOf(g.Group, g.Topics, g.Topics == nil)
			resp.Groups = append(resp.Groups, out)
		}
		return resp
	}
	var asked []kmsg.OffsetFetchRequestGroupTopic
	for _, t := range q.Topics {
		a := kmsg.NewOffsetFetchRequestGroupTopic()
		a.Topic, a.Partitions = t.Topic, t.Partitions
		asked = append(asked, a)
	}
	for _, t := range b.offsetsOf(q.Group, asked, q.Topics == nil) {
		rt := kmsg.NewOffsetFetchResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// removeOffsets deletes offsets of a group without members.
func (g *groups) removeOffsets(q *kmsg.OffsetDeleteRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.OffsetDeleteResponse)
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.b.ledger.Offsets(q.Group); !known {
		resp.ErrorCode = kerr.GroupIDNotFound.Code
		return resp
	}
	if gr := g.all[q.Group]; gr != nil && len(gr.members) > 0 {
		resp.ErrorCode = kerr.NonEmptyGroup.Code
		return resp
	}
	var forget []ledger.Partition
	for _, t := range q.Topics {
		rt := kmsg.NewOffsetDeleteResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			forget = append(forget, ledger.Partition{Topic: t.Topic, Index: p.Partition})
			rp := kmsg.NewOffsetDeleteResponseTopicPartition()
			rp.Partition = p.Partition
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	if len(forget) > 0 {
		resp.ErrorCode = g.b.errorOf(g.b.ledger.Write(ledger.Change{Group: q.Group, Forget: forget}))
	}
	return resp
}
