package scrub

// Finding is what a preview shows of one finding: where it stands in the text, in bytes, what is done with it, and why it is one.
type Finding struct {
	Detector string `json:"detector"`
	Start    int    `json:"start"`
	End      int    `json:"end"`
	Action   string `json:"action"`
	Evidence string `json:"evidence"`
}

// Preview scrubs text as the body of a log record is scrubbed and explains what it did. A finding whose action is drop leaves nothing of
// the text. What is found only after something beside it went is in the text, not in the list.
func (b *Batch) Preview(text string) (string, []Finding) {
	s := b.s
	findings := []Finding{}
	if len(text) <= s.MaxBytes && b.scan(s.Scanner, "", text) {
		for _, sp := range b.spans {
			v := text[sp.Start:sp.End]
			if s.allowed(v) {
				continue
			}
			findings = append(findings, Finding{s.names[sp.Kind], sp.Start, sp.End, s.rules[sp.Kind].Action.String(), s.Scanner.Evidence("", text, sp)})
		}
	}
	out, o := b.text("", text)
	if o == dropped {
		out = ""
	}
	return out, findings
}
