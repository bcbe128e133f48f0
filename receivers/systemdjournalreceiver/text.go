package systemdjournalreceiver

import "bytes"

// complaint is how much of journalctl's error output is kept.
const complaint = 1 << 10

// head keeps the beginning of what is written to it.
type head struct{ text []byte }

func (h *head) Write(p []byte) (int, error) {
	h.text = append(h.text, p[:min(len(p), complaint-len(h.text))]...)
	return len(p), nil
}

// toText is line as valid UTF-8, which OTLP requires.
func toText(line []byte) []byte { return bytes.ToValidUTF8(line, []byte("\uFFFD")) }
