package broker

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// States of a group, as clients see them.
const (
	groupEmpty      = "Empty"
	groupPreparing  = "PreparingRebalance"
	groupCompleting = "CompletingRebalance"
	groupStable     = "Stable"
	groupDead       = "Dead"
)

const (
	sweepEvery         = 100 * time.Millisecond
	maxSession         = time.Hour
	maxGroups          = 1000
	maxMembers         = 1000
	maxOffsetMetadata  = 4096
	consumerProtocol   = "consumer"
	pendingJoinTimeout = time.Minute
)

// groups are the groups with members. They exist in memory only: after a restart members join again. The ledger has their offsets.
type groups struct {
	b       *Broker
	mu      sync.Mutex
	all     map[string]*group // guarded by mu, groups included
	counter int64             // guarded by mu
}

// group is a group of the classic protocol, in which one of the members assigns the partitions.
type group struct {
	name         string
	state        string
	generation   int32
	protocolType string
	protocol     string
	leader       string
	members      map[string]*member
	static       map[string]string    // member by instance id
	pending      map[string]time.Time // ids that were given to members that have not joined yet, with their expiry
	deadline     time.Time            // of the rebalance in preparation
	order        int                  // number of joins, for the order of members
}

type member struct {
	id, clientID, host string
	instance           *string
	session, rebalance time.Duration
	protocols          []kmsg.JoinGroupRequestProtocol
	assignment         []byte
	seen               time.Time
	order              int
	version            int16
	joining            chan *kmsg.JoinGroupResponse // set while the member waits for the rebalance
	syncing            chan *kmsg.SyncGroupResponse // set while the member waits for its assignment
}

func (g *groups) init(b *Broker) {
	g.b, g.all = b, map[string]*group{}
	b.wg.Go(g.sweep)
}

// sweep removes members that were silent for longer than their session timeout, and completes rebalances that take too long.
func (g *groups) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-g.b.ctx.Done():
			return
		case <-ticker.C:
		}
		g.mu.Lock()
		now := time.Now()
		for name, gr := range g.all {
			gr.expire(now)
			if len(gr.members) == 0 && len(gr.pending) == 0 {
				delete(g.all, name)
			}
		}
		g.mu.Unlock()
	}
}

func (gr *group) expire(now time.Time) {
	for id, until := range gr.pending {
		if now.After(until) {
			delete(gr.pending, id)
		}
	}
	gone := false
	for _, m := range gr.members {
		if m.joining == nil && now.Sub(m.seen) > m.session {
			gr.drop(m, kerr.UnknownMemberID)
			gone = true
		}
	}
	if gone {
		gr.rebalance(now)
	}
	if gr.state == groupPreparing && now.After(gr.deadline) {
		for _, m := range gr.members {
			if m.joining == nil && m.instance == nil {
				gr.drop(m, kerr.UnknownMemberID)
			}
		}
		gr.complete(now)
	}
}

// drop removes a member and refuses the request that it waits for.
func (gr *group) drop(m *member, reason *kerr.Error) {
	m.refuse(reason)
	delete(gr.members, m.id)
	if m.instance != nil && gr.static[*m.instance] == m.id {
		delete(gr.static, *m.instance)
	}
}

// refuse answers the requests that a member waits for with an error.
func (m *member) refuse(reason *kerr.Error) {
	if m.joining != nil {
		resp := kmsg.NewPtrJoinGroupResponse()
		resp.ErrorCode, resp.MemberID = reason.Code, m.id
		m.joining <- resp
		m.joining = nil
	}
	if m.syncing != nil {
		resp := kmsg.NewPtrSyncGroupResponse()
		resp.ErrorCode = reason.Code
		m.syncing <- resp
		m.syncing = nil
	}
}

// rebalance makes all members join again, unless a rebalance is in progress.
func (gr *group) rebalance(now time.Time) {
	if len(gr.members) == 0 {
		gr.state, gr.leader, gr.protocol = groupEmpty, "", ""
		return
	}
	if gr.state != groupPreparing {
		gr.state = groupPreparing
		longest := time.Duration(0)
		for _, m := range gr.members {
			longest = max(longest, m.rebalance)
			if m.syncing != nil {
				resp := kmsg.NewPtrSyncGroupResponse()
				resp.ErrorCode = kerr.RebalanceInProgress.Code
				m.syncing <- resp
				m.syncing = nil
			}
		}
		gr.deadline = now.Add(longest)
	}
	for _, m := range gr.members {
		if m.joining == nil {
			return
		}
	}
	gr.complete(now)
}

// complete begins the next generation with the members that have joined.
func (gr *group) complete(now time.Time) {
	if len(gr.members) == 0 {
		gr.state, gr.leader, gr.protocol = groupEmpty, "", ""
		return
	}
	gr.generation++
	gr.state = groupCompleting
	gr.protocol = gr.vote()
	inOrder := slices.SortedFunc(maps.Values(gr.members), func(a, b *member) int { return cmp.Compare(a.order, b.order) })
	if l := gr.members[gr.leader]; l == nil || l.joining == nil {
		for _, m := range inOrder {
			if m.joining != nil {
				gr.leader = m.id
				break
			}
		}
	}
	for _, m := range inOrder {
		m.assignment = nil
		if m.joining != nil {
			m.seen = now
			m.joining <- gr.joined(m)
			m.joining = nil
		}
	}
}

// joined is the answer to a member that has joined the current generation.
func (gr *group) joined(m *member) *kmsg.JoinGroupResponse {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Generation, resp.ProtocolType, resp.Protocol = gr.generation, kmsg.StringPtr(gr.protocolType), kmsg.StringPtr(gr.protocol)
	resp.LeaderID, resp.MemberID = gr.leader, m.id
	if m.id != gr.leader {
		return resp
	}
	for _, other := range gr.members {
		rm := kmsg.NewJoinGroupResponseMember()
		rm.MemberID, rm.InstanceID, rm.ProtocolMetadata = other.id, other.instance, other.metadata(gr.protocol)
		resp.Members = append(resp.Members, rm)
	}
	return resp
}

func (m *member) metadata(protocol string) []byte {
	for _, p := range m.protocols {
		if p.Name == protocol {
			return p.Metadata
		}
	}
	return nil
}

// vote returns the protocol that all members support and most prefer.
func (gr *group) vote() string {
	votes := map[string]int{}
	for _, m := range gr.members {
		for _, p := range m.protocols {
			if gr.allHave(p.Name) {
				votes[p.Name]++
				break
			}
		}
	}
	best := ""
	for _, name := range slices.Sorted(maps.Keys(votes)) {
		if best == "" || votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

func (gr *group) allHave(protocol string) bool {
	for _, m := range gr.members {
		if !slices.ContainsFunc(m.protocols, func(p kmsg.JoinGroupRequestProtocol) bool { return p.Name == protocol }) {
			return false
		}
	}
	return true
}

// accepts reports whether a member with these protocols can join the group.
func (gr *group) accepts(id, protocolType string, protocols []kmsg.JoinGroupRequestProtocol) bool {
	if len(protocols) == 0 || protocolType == "" {
		return false
	}
	others := 0
	for _, m := range gr.members {
		if m.id != id {
			others++
		}
	}
	if others == 0 {
		return true
	}
	if gr.protocolType != protocolType {
		return false
	}
	return slices.ContainsFunc(protocols, func(p kmsg.JoinGroupRequestProtocol) bool {
		for _, m := range gr.members {
			if m.id != id && !slices.ContainsFunc(m.protocols, func(o kmsg.JoinGroupRequestProtocol) bool { return o.Name == p.Name }) {
				return false
			}
		}
		return true
	})
}

// member returns the member that a request names, or the error to answer.
func (gr *group) member(id string, instance *string) (*member, *kerr.Error) {
	if gr == nil {
		return nil, kerr.UnknownMemberID
	}
	if instance != nil {
		known, ok := gr.static[*instance]
		switch {
		case !ok:
			return nil, kerr.UnknownMemberID
		case known != id:
			return nil, kerr.FencedInstanceID
		}
	}
	m := gr.members[id]
	if m == nil {
		return nil, kerr.UnknownMemberID
	}
	return m, nil
}

func (g *groups) newID(clientID string, instance *string) string {
	g.counter++
	name := clientID
	if instance != nil {
		name = *instance
	}
	id := newID()
	return fmt.Sprintf("%.64s-%d-%x", name, g.counter, id)
}
