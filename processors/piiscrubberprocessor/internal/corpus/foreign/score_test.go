package foreign_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/corpus"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/corpus/foreign"
)

// secret is the name of all detectors of credentials, because a form only says that a value is one.
const secret = "secret"

var persons = []string{"email", "phone", "payment_card", "iban", "us_ssn", "uk_nhs", "uk_nino", "de_tax_id", "fr_nir", "es_dni", "it_fiscal_code", "nl_bsn", "be_nrn", "ch_ahv",
	"pl_pesel", "se_personnummer", "fi_hetu", "ca_sin", "br_cpf", "in_aadhaar", "cn_resident_id", "kr_rrn", "sg_nric", "ipv4", "ipv6", "mac"}

// TestForeignScores prints precision and recall per byte on all foreign lines, including harmless ones, and compares them with the goal.
func TestForeignScores(t *testing.T) {
	var lines []corpus.Line
	for _, c := range foreign.Carriers(*seed) {
		for range c.Forms() * 20 {
			l := c.Next()
			line := corpus.Line{Key: c.Key, Text: l.Text}
			for _, g := range l.Gone {
				line.Spans = append(line.Spans, corpus.Span{Start: g.Start, End: g.End, Detector: g.Detector})
			}
			lines = append(lines, line)
		}
	}
	for _, c := range foreign.Telemetry(*seed) {
		for range c.Forms() * 20 {
			lines = append(lines, corpus.Line{Key: c.Key, Text: c.Next().Text})
		}
	}
	s := scanner()
	var out strings.Builder
	for _, sc := range corpus.Evaluate(lines, func(l corpus.Line) (spans []corpus.Span) {
		for _, sp := range s.Scan(nil, l.Key, l.Text) {
			name := sp.Kind.String()
			if !slices.Contains(persons, name) {
				name = secret
			}
			spans = append(spans, corpus.Span{Start: sp.Start, End: sp.End, Detector: name})
		}
		return spans
	}) {
		fmt.Fprintf(&out, "\n%-18s %6d lines  precision %.4f  recall %.4f", sc.Detector, sc.Lines, sc.Precision(), sc.Recall())
		if sc.Lines > 0 {
			assert.GreaterOrEqual(t, sc.Recall(), 0.95, "recall of %s", sc.Detector)
			assert.GreaterOrEqual(t, sc.Precision(), 0.9, "precision of %s", sc.Detector)
		}
	}
	t.Log(out.String())
}
