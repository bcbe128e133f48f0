package cardinalityguardprocessor

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/admission"
	"github.com/penstockhq/penstock/processors/cardinalityguardprocessor/internal/fold"
)

// stateVersion is that of the format below. A release reads its own and the one before.
const stateVersion = 1

var errState = errors.New("corrupt state")

// Snapshot writes, all numbers varints: version; rules as JSON; newest, edges, turns, admission edge, last report; clock; tree,
// table; fold; outbox. Parts of variable length have their length before them.
func (p *partition) Snapshot(w io.Writer) error {
	rules, err := json.Marshal(p.rules.Load())
	if err != nil {
		return err
	}
	b := binary.AppendUvarint(nil, stateVersion)
	b = append(binary.AppendUvarint(b, uint64(len(rules))), rules...)
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
		b = append(binary.AppendUvarint(b, uint64(len(o.Tenant))), o.Tenant...)
		b = append(b, boolByte(o.FromClient))
		b = append(binary.AppendUvarint(b, uint64(len(data))), data...)
	}
	_, err = w.Write(b)
	return err
}

func boolByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// Restore reads what Snapshot wrote.
func (p *partition) Restore(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	d := decoder{b: data}
	if v := d.uvarint(); d.err != nil || v != stateVersion {
		return fmt.Errorf("version %d, this release reads %d", v, stateVersion)
	}
	raw := d.bytes(d.uvarint())
	if d.err != nil {
		return d.err
	}
	rules, err := decodeRules(raw)
	if err != nil {
		return err
	}
	p.rules.Store(rules)
	p.clock = admission.NewClock(int64(rules.IdleTimeout) / admission.Generations)
	for i := range p.edges {
		p.edges[i] = d.varint()
	}
	p.newest.Store(d.varint())
	p.admissionEdge.Store(d.varint())
	p.clock.Load(d.varint())
	p.reported = d.varint()
	p.turns = uint32(d.varint())
	if d.err != nil {
		return d.err
	}
	p.sweep = p.turns
	if d.b, err = admission.Load(d.b, p.tree, p.table); err != nil {
		return err
	}
	p.fold = fold.New(p.fold.Limits(), rules.FlushInterval, p.session.Began().UnixNano())
	if d.b, err = p.fold.Decode(d.b); err != nil {
		return err
	}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		o := fold.Batch{Time: d.varint(), Tenant: string(d.bytes(d.uvarint()))}
		if flag := d.bytes(1); flag != nil {
			o.FromClient = flag[0] == 1
		}
		data := d.bytes(d.uvarint())
		if d.err != nil {
			break
		}
		if o.Metrics, err = (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(data); err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
		p.outbox = append(p.outbox, o)
	}
	if d.err == nil && len(d.b) > 0 {
		return fmt.Errorf("%d bytes behind the end: %w", len(d.b), errState)
	}
	return d.err
}

type decoder struct {
	b   []byte
	err error
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = fmt.Errorf("it ends early: %w", errState)
	}
	d.b = nil
}
