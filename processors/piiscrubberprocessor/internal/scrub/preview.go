package scrub

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
)

const evidenceOfKey = "the key says that the value is a secret"

// Finding is a finding in a preview: its position in the text, in bytes, its action, and the evidence.
type Finding struct {
	Detector string `json:"detector"`
	Start    int    `json:"start"`
	End      int    `json:"end"`
	Action   string `json:"action"`
	Evidence string `json:"evidence"`
}

// Preview scrubs text as the value of the attribute key is scrubbed, or as the body of a log record if key is empty, and explains the
// result. A finding whose action is drop leaves nothing of the text. What is found only after something beside it was removed is applied
// to the text, but not listed.
func (b *Batch) Preview(key, text string) (string, []Finding) {
	s := b.s
	findings := []Finding{}
	if key != "" && s.SensitiveRule.Action != protect.Off && b.sensitiveText(key, text) {
		v := pcommon.NewValueStr(text)
		if b.whole(key, v) == dropped {
			return "", append(findings, Finding{s.names[Sensitive], 0, len(text), s.SensitiveRule.Action.String(), evidenceOfKey})
		}
		if v.Str() != text || s.SensitiveRule.Action == protect.Count {
			findings = append(findings, Finding{s.names[Sensitive], 0, len(text), s.SensitiveRule.Action.String(), evidenceOfKey})
		}
		return v.Str(), findings
	}
	if len(text) <= s.MaxBytes && b.scan(s.Scanner, key, text) {
		for _, sp := range b.spans {
			v := text[sp.Start:sp.End]
			if s.allowed(v) {
				continue
			}
			findings = append(findings, Finding{s.names[sp.Kind], sp.Start, sp.End, s.rules[sp.Kind].Action.String(), s.Scanner.Evidence(key, text, sp)})
		}
	}
	out, o := b.text(key, text)
	if o == dropped {
		out = ""
	}
	return out, findings
}
