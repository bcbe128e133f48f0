package cardinalityguardprocessor

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/internal/cursor"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/admission"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/fold"
)

// stateVersion is the version of the format below. A release reads its own and that of the release before: see testdata/state. Version 1
// is the same except for [admission.FormatNoLimited]; 1 and 2 have no points that a sender may repeat.
const (
	stateVersion   = 3
	formerVersion  = 2
	versionOne     = 1
	noRepeatsBelow = 3
)

// Snapshot writes, all numbers varints: version; rules as JSON; newest, edges, turns, admission edge, last report; clock; tree, table;
// fold; outbox; points that a sender may repeat. Parts of variable length are preceded by their length.
func (p *partition) Snapshot(w io.Writer) error {
	p.refresh()
	rules, err := json.Marshal(p.rules.Load())
	if err != nil {
		return err
	}
	b := binary.AppendUvarint(nil, stateVersion)
	b = cursor.AppendBlock(b, rules)
	for _, v := range append(p.edges[:], p.newest.Load(), p.admissionEdge.Load(), p.clock.Now(), p.reported, int64(p.turns)) {
		b = binary.AppendVarint(b, v)
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	if err := admission.Save(w, p.tree, p.table); err != nil {
		return err
	}
	b, err = p.fold.Append(b[:0])
	if err != nil {
		return err
	}
	b = binary.AppendUvarint(b, uint64(len(p.outbox)))
	for _, o := range p.outbox {
		data, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(o.Metrics)
		if err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		b = binary.AppendVarint(b, o.Time)
		b = cursor.AppendBlock(b, o.Tenant)
		b = append(b, boolByte(o.FromClient))
		b = cursor.AppendBlock(b, data)
	}
	_, err = w.Write(p.repeats.Append(b))
	return err
}

func boolByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// Restore reads the output of Snapshot.
func (p *partition) Restore(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	d := cursor.New(data)
	format := admission.FormatNewest
	version := d.Uvarint()
	switch {
	case d.Err() == nil && version == versionOne:
		format = admission.FormatNoLimited
	case d.Err() != nil || version != formerVersion && version != stateVersion:
		return fmt.Errorf("version %d, this release reads %d to %d", version, versionOne, stateVersion)
	}
	raw := d.Block()
	if d.Err() != nil {
		return d.Err()
	}
	rules, err := decodeRules(raw)
	if err != nil {
		return err
	}
	p.rules.Store(rules)
	p.restored = true
	p.clock = admission.NewClock(int64(rules.IdleTimeout) / admission.Generations)
	for i := range p.edges {
		p.edges[i] = d.Varint()
	}
	p.newest.Store(d.Varint())
	p.admissionEdge.Store(d.Varint())
	p.clock.Load(d.Varint())
	p.reported = d.Varint()
	p.turns = uint32(d.Varint())
	if d.Err() != nil {
		return d.Err()
	}
	p.sweep = p.turns
	p.windowStart.Store(p.edges[len(p.edges)-1-int(p.turns%admission.Generations)])
	rest, err := admission.Load(d.Rest(), format, p.tree, p.table)
	if err != nil {
		return err
	}
	p.fold = fold.New(p.fold.Limits(), rules.FlushInterval, p.session.Began().UnixNano())
	if rest, err = p.fold.Decode(rest); err != nil {
		return err
	}
	d.Skip(rest)
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		o := fold.Batch{Time: d.Varint(), Tenant: d.String(), FromClient: d.Byte() == 1}
		data := d.Block()
		if d.Err() != nil {
			break
		}
		if o.Metrics, err = (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(data); err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		p.outbox = append(p.outbox, o)
	}
	if d.Err() == nil && version >= noRepeatsBelow {
		if rest, err = p.repeats.Decode(d.Rest()); err != nil {
			return err
		}
		d.Skip(rest)
	}
	if d.Err() == nil && len(d.Rest()) > 0 {
		return fmt.Errorf("%d bytes after the end: %w", len(d.Rest()), cursor.ErrCorrupt)
	}
	return d.Err()
}
