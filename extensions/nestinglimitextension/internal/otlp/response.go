package otlp

import (
	"encoding/json"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// PartialSuccess is the additional content of an answer to an accepted request. The zero value is full success.
type PartialSuccess struct {
	Rejected int
	Message  string
}

// Proto is the answer in protobuf: empty for full success, as OTLP requires.
func (p PartialSuccess) Proto() []byte {
	if p == (PartialSuccess{}) {
		return nil
	}
	var partial []byte
	if p.Rejected != 0 {
		partial = protowire.AppendVarint(protowire.AppendTag(partial, 1, protowire.VarintType), uint64(p.Rejected))
	}
	partial = protowire.AppendString(protowire.AppendTag(partial, 2, protowire.BytesType), p.Message)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)
}

// JSON is the answer in JSON.
func (p PartialSuccess) JSON(signal Signal) []byte {
	if p == (PartialSuccess{}) {
		return []byte("{}")
	}
	inner := map[string]string{}
	if p.Rejected != 0 {
		inner[signal.rejectedName()] = strconv.Itoa(p.Rejected)
	}
	if p.Message != "" {
		inner["errorMessage"] = p.Message
	}
	b, _ := json.Marshal(map[string]any{"partialSuccess": inner}) // of strings: can't fail
	return b
}

// Add combines two partial successes.
func (p PartialSuccess) Add(q PartialSuccess) PartialSuccess {
	p.Rejected += q.Rejected
	if p.Message != "" && q.Message != "" {
		p.Message += "; "
	}
	p.Message += q.Message
	return p
}

// ParseResponse reads an answer in protobuf; an unreadable one is full success.
func ParseResponse(b []byte) PartialSuccess {
	var p PartialSuccess
	number, wire, n := protowire.ConsumeTag(b)
	if n < 0 || number != 1 || wire != protowire.BytesType {
		return p
	}
	partial, size := protowire.ConsumeBytes(b[n:])
	if size < 0 {
		return p
	}
	for len(partial) > 0 {
		number, wire, n := protowire.ConsumeTag(partial)
		if n < 0 {
			return p
		}
		size := protowire.ConsumeFieldValue(number, wire, partial[n:])
		if size < 0 {
			return p
		}
		value := partial[n : n+size]
		switch {
		case number == 1 && wire == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(value)
			p.Rejected = int(v)
		case number == 2 && wire == protowire.BytesType:
			v, _ := protowire.ConsumeBytes(value)
			p.Message = string(v)
		}
		partial = partial[n+size:]
	}
	return p
}
