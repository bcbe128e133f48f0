package top

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/penstockhq/penstock/internal/command/internal/adminclient"
)

const (
	// Width is the default width of a terminal.
	Width = 80
	// maxTroubleLines is how many lines one error takes.
	maxTroubleLines = 3
)

// Lines draws the table, at most width characters wide.
func Lines(about About, state State, own Series, width int) []string {
	v := build(about, state, own)
	var all []string
	add := func(format string, args ...any) { all = append(all, fit(fmt.Sprintf(format, args...), width)) }

	said := func(trouble string) {
		for _, line := range wrap(adminclient.Plain(trouble), width-2, maxTroubleLines) {
			add("  %s", line)
		}
	}
	add("%s %s on %s, up %s, %s UTC", about.Name, about.Version, about.Host, duration(state.Now.Sub(about.Since).Seconds()), state.Now.UTC().Format(time.TimeOnly))
	machine := []string{}
	if n, ok := own.last(memory, nil); ok {
		machine = append(machine, "memory "+size(n), fmt.Sprintf("CPU %.1f %%", 100*own.rate(cpu, nil)))
	}
	for _, d := range state.Disks {
		machine = append(machine, "disk "+size(d.Free)+" free of "+size(d.Total))
	}
	add("%s", strings.Join(machine, ", "))

	add("")
	name := width - 50
	add("%-*s %10s %10s  %s", name, "COMES IN", "NOW", "REFUSED", "SIGNALS")
	for _, s := range v.sources {
		add("%-*s %10s %10s  %s", name, short(s.id, name), rate(s.rate), rate(s.refused), strings.Join(s.signals, ", "))
	}
	if len(v.sources) == 0 {
		add("no receiver accepts data from outside")
	}

	add("")
	for _, line := range v.middle() {
		add("%-12s %s", line[0], line[1])
	}

	add("")
	name = width - 56
	add("%-*s %-16s %10s %14s %11s", name, "SINK", "STATE", "DELIVERED", "WAITS", "OLDEST")
	for _, s := range v.sinks {
		condition := "delivers"
		if s.trouble != nil {
			condition = "DOWN " + duration(max(0, state.Now.Sub(s.trouble.Since).Seconds()))
		}
		waits, oldest := count(s.waiting), "-"
		if len(s.groups) > 0 {
			oldest = duration(s.oldest)
		} else if s.capacity > 0 {
			waits += fmt.Sprintf(" (%.0f %%)", 100*s.waiting/s.capacity)
		}
		add("%-*s %-16s %10s %14s %11s", name, short(s.id, name), condition, rate(s.rate), waits, oldest)
		if s.trouble != nil {
			said(s.trouble.Error)
		}
		if s.failed > 0 {
			add("  refuses %s permanently", rate(s.failed))
		}
	}
	if len(v.sinks) == 0 {
		add("no exporter delivers anything")
	}
	for _, c := range v.others {
		add("%s %s has been unhealthy since %s", c.Kind, c.ID, c.Since.UTC().Format(time.TimeOnly))
		said(c.Error)
	}
	return all
}

// middle is the part of the table between receivers and sinks: names with their state.
func (v *view) middle() (lines [][2]string) {
	if v.journal {
		text := "written " + rate(v.own.rate(appended, nil))
		if used, ok := v.own.last(journalSize, nil); ok {
			text += ", " + size(used)
			if capacity, ok := v.own.last(journalCapacity, nil); ok && capacity > 0 {
				text += " of " + size(capacity) + fmt.Sprintf(" (%.0f %%)", 100*used/capacity)
			}
		} else {
			text += ", in Kafka"
		}
		lines = append(lines, [2]string{"JOURNAL", text})
	}
	if v.scrubber {
		found, _ := v.own.last(findings, nil)
		missed, _ := v.own.last(unscanned, nil)
		lines = append(lines, [2]string{"SCRUBBER", fmt.Sprintf("%s findings, now %s; %s values not searched", count(found), rate(v.own.rate(findings, nil)), count(missed))})
	}
	if v.guard {
		series, _ := v.own.last(guardSeries, nil)
		folded, _ := v.own.last(guardLimited, nil)
		lines = append(lines, [2]string{"GUARD", fmt.Sprintf("%s series; %s points over a budget, now %s", count(series), count(folded), rate(v.own.rate(guardLimited, nil)))})
	}
	read, _ := v.own.last(deadRead, nil)
	written, _ := v.own.last(deadWritten, nil)
	return append(lines, [2]string{"DEAD LETTERS", count(read + written)})
}

// fit returns one line of at most width characters, without control characters.
func fit(s string, width int) string {
	return strings.TrimRight(short(adminclient.Plain(s), width), " ")
}

// wrap parts a text into at most most lines of width characters, between words where it can.
func wrap(s string, width, most int) (lines []string) {
	rest := []rune(s)
	for len(rest) > width && len(lines) < most-1 {
		cut := width
		for i := width; i > width/2; i-- {
			if rest[i] == ' ' {
				cut = i
				break
			}
		}
		lines = append(lines, string(rest[:cut]))
		rest = []rune(strings.TrimLeft(string(rest[cut:]), " "))
	}
	return append(lines, short(string(rest), width))
}

// short cuts a text to n characters.
func short(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	runes := []rune(s)
	return string(runes[:n-1]) + "…"
}

func rate(v float64) string { return number(v) + "/s" }

// number abbreviates a number: 1234567 is 1.23 M.
func number(v float64) string {
	for _, unit := range []struct {
		of   float64
		name string
	}{{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if v >= unit.of {
			return three(v/unit.of) + unit.name
		}
	}
	if v == 0 || v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return three(v)
}

// three shows three digits.
func three(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// count formats a whole number: 1234567 is 1 234 567; a number that is too wide for a column is abbreviated.
func count(v float64) string {
	if v >= 1e9 {
		return number(v)
	}
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}

func size(v float64) string {
	for _, unit := range []struct {
		of   float64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if v >= unit.of {
			return three(v/unit.of) + " " + unit.name
		}
	}
	return fmt.Sprintf("%.0f B", v)
}

// duration of seconds, in at most two units.
func duration(s float64) string {
	switch n := int64(s); {
	case n < 60:
		return fmt.Sprintf("%d s", n)
	case n < 600:
		return fmt.Sprintf("%d min %d s", n/60, n%60)
	case n < 3600:
		return fmt.Sprintf("%d min", n/60)
	case n < 86400:
		return fmt.Sprintf("%d h %d min", n/3600, n%3600/60)
	default:
		return fmt.Sprintf("%d d %d h", n/86400, n%86400/3600)
	}
}
