package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// unsupported marks an answer to a client that speaks a newer version of the protocol.
const unsupported = "\x00unsupported"

// versionRange is the range of supported versions of a request.
type versionRange struct{ min, max int16 }

// versions are the supported requests. Topics are identified by name, except in versions that know only ids.
var versions = map[int16]versionRange{
	int16(kmsg.Produce):                 {3, 11},
	int16(kmsg.Fetch):                   {4, 12},
	int16(kmsg.ListOffsets):             {1, 7},
	int16(kmsg.Metadata):                {0, 12},
	int16(kmsg.OffsetCommit):            {2, 8},
	int16(kmsg.OffsetFetch):             {1, 8},
	int16(kmsg.FindCoordinator):         {0, 4},
	int16(kmsg.JoinGroup):               {2, 9},
	int16(kmsg.Heartbeat):               {0, 4},
	int16(kmsg.LeaveGroup):              {0, 5},
	int16(kmsg.SyncGroup):               {0, 5},
	int16(kmsg.DescribeGroups):          {0, 5},
	int16(kmsg.ListGroups):              {0, 4},
	int16(kmsg.ApiVersions):             {0, 3},
	int16(kmsg.CreateTopics):            {0, 7},
	int16(kmsg.DeleteTopics):            {0, 6},
	int16(kmsg.DeleteRecords):           {0, 2},
	int16(kmsg.InitProducerID):          {0, 4},
	int16(kmsg.OffsetForLeaderEpoch):    {0, 4},
	int16(kmsg.AddPartitionsToTxn):      {0, 3},
	int16(kmsg.AddOffsetsToTxn):         {0, 3},
	int16(kmsg.EndTxn):                  {0, 3},
	int16(kmsg.TxnOffsetCommit):         {0, 3},
	int16(kmsg.DescribeConfigs):         {0, 4},
	int16(kmsg.AlterConfigs):            {0, 2},
	int16(kmsg.CreatePartitions):        {0, 3},
	int16(kmsg.DeleteGroups):            {0, 2},
	int16(kmsg.IncrementalAlterConfigs): {0, 1},
	int16(kmsg.OffsetDelete):            {0, 0},
	int16(kmsg.DescribeCluster):         {0, 0},
}

// handle starts a request and returns the function that produces its answer.
func (b *Broker) handle(r *request) answer {
	if produce, ok := r.Request.(*kmsg.ProduceRequest); ok {
		return b.produce(r, produce)
	}
	return func() kmsg.Response { return b.respond(r) }
}

// respond produces the answer to any request except a produce request.
func (b *Broker) respond(r *request) kmsg.Response {
	switch q := r.Request.(type) {
	case *kmsg.FetchRequest:
		return b.fetch(r, q)
	case *kmsg.ListOffsetsRequest:
		return b.listOffsets(q)
	case *kmsg.OffsetForLeaderEpochRequest:
		return b.offsetForLeaderEpoch(q)
	case *kmsg.MetadataRequest:
		return b.metadata(q)
	case *kmsg.DescribeClusterRequest:
		return b.describeCluster(q)
	case *kmsg.ApiVersionsRequest:
		return apiVersions(q)
	case *kmsg.CreateTopicsRequest:
		return b.createTopics(q)
	case *kmsg.DeleteTopicsRequest:
		return b.deleteTopics(q)
	case *kmsg.CreatePartitionsRequest:
		return refusePartitions(q)
	case *kmsg.DeleteRecordsRequest:
		return b.deleteRecords(q)
	case *kmsg.DescribeConfigsRequest:
		return b.describeConfigs(q)
	case *kmsg.AlterConfigsRequest:
		return b.alterConfigs(q)
	case *kmsg.IncrementalAlterConfigsRequest:
		return b.incrementalAlterConfigs(q)
	case *kmsg.InitProducerIDRequest:
		return b.initProducerID(q)
	case *kmsg.AddPartitionsToTxnRequest:
		return b.addPartitions(q)
	case *kmsg.AddOffsetsToTxnRequest:
		return b.addOffsets(q)
	case *kmsg.TxnOffsetCommitRequest:
		return b.commitInTransaction(q)
	case *kmsg.EndTxnRequest:
		return b.endTransaction(q)
	}
	return b.respondGroup(r)
}

// respondGroup produces the answer to a request about groups.
func (b *Broker) respondGroup(r *request) kmsg.Response {
	switch q := r.Request.(type) {
	case *kmsg.FindCoordinatorRequest:
		return b.findCoordinator(q)
	case *kmsg.JoinGroupRequest:
		return b.groups.join(r, q)
	case *kmsg.SyncGroupRequest:
		return b.groups.sync(r, q)
	case *kmsg.HeartbeatRequest:
		return b.groups.heartbeat(q)
	case *kmsg.LeaveGroupRequest:
		return b.groups.leave(q)
	case *kmsg.DescribeGroupsRequest:
		return b.groups.describe(q)
	case *kmsg.ListGroupsRequest:
		return b.groups.list(q)
	case *kmsg.DeleteGroupsRequest:
		return b.groups.remove(q)
	case *kmsg.OffsetCommitRequest:
		return b.groups.commit(q)
	case *kmsg.OffsetFetchRequest:
		return b.offsetFetch(q)
	case *kmsg.OffsetDeleteRequest:
		return b.groups.removeOffsets(q)
	}
	return nil // versions has no other key.
}

func apiVersions(q *kmsg.ApiVersionsRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.ApiVersionsResponse)
	if q.ClientSoftwareName == unsupported {
		resp.ErrorCode = kerr.UnsupportedVersion.Code
	}
	for key := range int16(100) {
		if v, ok := versions[key]; ok {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MinVersion, k.MaxVersion = key, v.min, v.max
			resp.ApiKeys = append(resp.ApiKeys, k)
		}
	}
	return resp
}
