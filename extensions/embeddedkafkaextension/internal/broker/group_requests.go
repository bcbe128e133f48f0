package broker

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// join answers when the rebalance in which the member takes part is complete.
func (g *groups) join(r *request, q *kmsg.JoinGroupRequest) kmsg.Response {
	wait, resp := g.joinOrWait(r, q)
	if resp == nil {
		select {
		case resp = <-wait:
		case <-r.ctx.Done():
			resp = kmsg.NewPtrJoinGroupResponse()
			resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
		}
	}
	resp.Version = q.Version
	return resp
}

func (g *groups) joinOrWait(r *request, q *kmsg.JoinGroupRequest) (wait chan *kmsg.JoinGroupResponse, resp *kmsg.JoinGroupResponse) {
	refuse := func(err *kerr.Error, id string) (chan *kmsg.JoinGroupResponse, *kmsg.JoinGroupResponse) {
		resp := kmsg.NewPtrJoinGroupResponse()
		resp.ErrorCode, resp.MemberID, resp.Generation = err.Code, id, -1
		return nil, resp
	}
	session := time.Duration(q.SessionTimeoutMillis) * time.Millisecond
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	gr := g.all[q.Group]
	switch {
	case q.Group == "":
		return refuse(kerr.InvalidGroupID, q.MemberID)
	case session <= 0 || session > maxSession:
		return refuse(kerr.InvalidSessionTimeout, q.MemberID)
	case gr == nil && q.MemberID != "":
		return refuse(kerr.UnknownMemberID, q.MemberID)
	case gr == nil && len(g.all) >= maxGroups, gr != nil && len(gr.members)+len(gr.pending) >= maxMembers:
		return refuse(kerr.GroupMaxSizeReached, q.MemberID)
	}
	if gr == nil {
		gr = &group{name: q.Group, state: groupEmpty, members: map[string]*member{}, static: map[string]string{}, pending: map[string]time.Time{}}
		g.all[q.Group] = gr
	}
	if !gr.accepts(q.MemberID, q.ProtocolType, q.Protocols) {
		return refuse(kerr.InconsistentGroupProtocol, q.MemberID)
	}
	m := gr.members[q.MemberID]
	replaced := ""
	switch {
	case q.InstanceID != nil && q.MemberID == "":
		if old := gr.members[gr.static[*q.InstanceID]]; old != nil { // The member was restarted.
			replaced, m = old.id, old
			old.refuse(kerr.FencedInstanceID)
			delete(gr.members, old.id)
			old.id = g.newID(r.clientID, q.InstanceID)
			gr.members[old.id], gr.static[*q.InstanceID] = old, old.id
			if gr.leader == replaced {
				gr.leader = old.id
			}
		}
	case q.InstanceID != nil && gr.static[*q.InstanceID] != q.MemberID:
		return refuse(kerr.FencedInstanceID, q.MemberID)
	case q.MemberID == "" && q.Version >= 4: // The client must join again with this id, so that a lost answer leaves no member without a client.
		id := g.newID(r.clientID, nil)
		gr.pending[id] = now.Add(pendingJoinTimeout)
		return refuse(kerr.MemberIDRequired, id)
	case m == nil && q.MemberID != "":
		if _, ok := gr.pending[q.MemberID]; !ok {
			return refuse(kerr.UnknownMemberID, q.MemberID)
		}
	}
	added := m == nil
	if added {
		m = &member{id: q.MemberID, order: gr.order}
		gr.order++
		if m.id == "" {
			m.id = g.newID(r.clientID, q.InstanceID)
		}
		delete(gr.pending, m.id)
		if m.instance = q.InstanceID; m.instance != nil {
			gr.static[*m.instance] = m.id
		}
		gr.members[m.id] = m
	}
	return gr.take(r, q, m, added, replaced, now)
}

// take records the member's metadata, and answers the join or lets it wait.
func (gr *group) take(r *request, q *kmsg.JoinGroupRequest, m *member, added bool, replaced string, now time.Time) (chan *kmsg.JoinGroupResponse, *kmsg.JoinGroupResponse) {
	same := slices.EqualFunc(m.protocols, q.Protocols, func(a, b kmsg.JoinGroupRequestProtocol) bool {
		return a.Name == b.Name && slices.Equal(a.Metadata, b.Metadata)
	})
	m.refuse(kerr.RebalanceInProgress) // This is an earlier join, which the client has abandoned.
	m.clientID, m.host, m.seen, m.protocols, m.version = r.clientID, r.clientHost, now, q.Protocols, q.Version
	m.session = time.Duration(q.SessionTimeoutMillis) * time.Millisecond
	m.rebalance = max(m.session, time.Duration(q.RebalanceTimeoutMillis)*time.Millisecond)
	gr.protocolType = q.ProtocolType
	leads := gr.leader == m.id
	switch {
	case added || !same:
	case gr.state == groupStable && replaced != "" && (!leads || q.Version >= 9):
		resp := gr.joined(m)
		resp.SkipAssignment = leads // The assignment is already known.
		return nil, resp
	case gr.state == groupStable && replaced == "" && !leads, gr.state == groupCompleting && replaced == "":
		return nil, gr.joined(m)
	}
	wait := make(chan *kmsg.JoinGroupResponse, 1)
	m.joining = wait
	gr.rebalance(now)
	return wait, nil
}

// sync answers with the member's assignment when the leader has sent it.
func (g *groups) sync(r *request, q *kmsg.SyncGroupRequest) kmsg.Response {
	wait, resp := g.syncOrWait(q)
	if resp == nil {
		select {
		case resp = <-wait:
		case <-r.ctx.Done():
			resp = kmsg.NewPtrSyncGroupResponse()
			resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
		}
	}
	resp.Version = q.Version
	return resp
}

func (g *groups) syncOrWait(q *kmsg.SyncGroupRequest) (wait chan *kmsg.SyncGroupResponse, resp *kmsg.SyncGroupResponse) {
	refuse := func(err *kerr.Error) (chan *kmsg.SyncGroupResponse, *kmsg.SyncGroupResponse) {
		resp := kmsg.NewPtrSyncGroupResponse()
		resp.ErrorCode = err.Code
		return nil, resp
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	gr := g.all[q.Group]
	m, err := gr.member(q.MemberID, q.InstanceID)
	switch {
	case err != nil:
		return refuse(err)
	case q.Generation != gr.generation:
		return refuse(kerr.IllegalGeneration)
	case q.ProtocolType != nil && *q.ProtocolType != gr.protocolType, q.Protocol != nil && *q.Protocol != gr.protocol:
		return refuse(kerr.InconsistentGroupProtocol)
	case gr.state == groupPreparing:
		return refuse(kerr.RebalanceInProgress)
	}
	m.seen = time.Now()
	if gr.state == groupStable {
		return nil, gr.synced(m)
	}
	wait = make(chan *kmsg.SyncGroupResponse, 1)
	if m.syncing != nil {
		m.refuse(kerr.RebalanceInProgress)
	}
	m.syncing = wait
	if m.id != gr.leader {
		return wait, nil
	}
	for _, a := range q.GroupAssignment {
		if to := gr.members[a.MemberID]; to != nil {
			to.assignment = a.MemberAssignment
		}
	}
	gr.state = groupStable
	for _, m := range gr.members {
		if m.syncing != nil {
			m.syncing <- gr.synced(m)
			m.syncing = nil
		}
	}
	return wait, nil
}

func (gr *group) synced(m *member) *kmsg.SyncGroupResponse {
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.ProtocolType, resp.Protocol = kmsg.StringPtr(gr.protocolType), kmsg.StringPtr(gr.protocol)
	if resp.MemberAssignment = m.assignment; resp.MemberAssignment == nil {
		resp.MemberAssignment = []byte{}
	}
	return resp
}

func (g *groups) heartbeat(q *kmsg.HeartbeatRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.HeartbeatResponse)
	g.mu.Lock()
	defer g.mu.Unlock()
	gr := g.all[q.Group]
	m, err := gr.member(q.MemberID, q.InstanceID)
	switch {
	case err != nil:
		resp.ErrorCode = err.Code
	case q.Generation != gr.generation:
		resp.ErrorCode = kerr.IllegalGeneration.Code
	default:
		m.seen = time.Now()
		if gr.state == groupPreparing {
			resp.ErrorCode = kerr.RebalanceInProgress.Code
		}
	}
	return resp
}

// leave removes members; a request can name a static member by its instance id.
func (g *groups) leave(q *kmsg.LeaveGroupRequest) kmsg.Response {
	resp := q.ResponseKind().(*kmsg.LeaveGroupResponse)
	g.mu.Lock()
	defer g.mu.Unlock()
	gr := g.all[q.Group]
	asked := q.Members
	if q.Version < 3 {
		asked = []kmsg.LeaveGroupRequestMember{{MemberID: q.MemberID}}
	}
	gone := false
	for _, a := range asked {
		out := kmsg.NewLeaveGroupResponseMember()
		out.MemberID, out.InstanceID = a.MemberID, a.InstanceID
		id := a.MemberID
		if gr != nil && id == "" && a.InstanceID != nil {
			id = gr.static[*a.InstanceID]
		}
		if gr != nil && gr.pending[id] != (time.Time{}) {
			delete(gr.pending, id)
		} else if m, err := gr.member(id, a.InstanceID); err != nil {
			out.ErrorCode = err.Code
		} else {
			gr.drop(m, kerr.UnknownMemberID)
			gone = true
		}
		if q.Version < 3 {
			resp.ErrorCode = out.ErrorCode
		} else {
			resp.Members = append(resp.Members, out)
		}
	}
	if gone {
		gr.rebalance(time.Now())
	}
	return resp
}
