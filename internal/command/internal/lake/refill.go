package lake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/penstockhq/penstock/internal/command/internal/repair"
	"github.com/penstockhq/penstock/internal/durable"
)

// A range of the journal whose file was lost is restored in three steps: repair sets the file aside and writes a configuration; the collector,
// started with that, runs a job that writes the rows of the whole range below _refill/<range>; repair then moves the rows that belong in the lost
// file to its place. The rows of the range in other files stay, so no row is stored twice.

// part is the information in the name of a file that was delivered from a journal.
type part struct {
	dir       string // below the root: <signal>/date=.../hour=.../tenant=...
	base      string // the name up to the end of the range: <topic>-<partition>[-g<generation>]-<first>-<next>
	source    string // <topic>-<partition>
	signal    string
	topic     string
	partition int
	first     uint64
	next      uint64
	// generation is how often the partition's log had been cut: other records can have the offsets of an older generation now.
	generation int
	// byJob: a job has written the file, not live delivery.
	byJob bool
}

// from returns the log that the range is one of.
func (p part) from() source { return source{p.topic, p.partition, p.generation} }

// rangeName is the name of a file that a follower or a job has written: <topic>-<partition>[@job][-g<generation>]-<first>-<next>-<part>.parquet. No topic has
// an @ in its name.
var rangeName = regexp.MustCompile(`^((([^@]+?)-(\d+))(@[a-z0-9-]+?)?(?:-g(\d+))?-(\d{20})-(\d{20}))-(?:refilled-)?\d+\.parquet`)

// parseName parses the path of a file below the root. ok is false if its name is not that of a range.
func parseName(rel string) (p part, ok bool) {
	p = part{dir: filepath.Dir(rel)}
	p.signal, _, _ = strings.Cut(filepath.ToSlash(rel), "/")
	m := rangeName.FindStringSubmatch(filepath.Base(rel))
	if m == nil {
		return p, false
	}
	p.base, p.source, p.topic = m[1], m[2], m[3]
	p.partition, _ = strconv.Atoi(m[4])
	p.byJob = m[5] != ""
	p.generation, _ = strconv.Atoi(m[6])
	p.first, _ = strconv.ParseUint(m[7], 10, 64)
	p.next, _ = strconv.ParseUint(m[8], 10, 64)
	return p, p.signal == "logs" || p.signal == "metrics" || p.signal == "traces"
}

// rows describes the rows of the file.
func (p part) rows() string {
	text := "rows of " + filepath.ToSlash(p.dir)
	if p.topic != "" {
		text += ", from " + p.offsets()
	}
	return text
}

func (p part) offsets() string {
	return fmt.Sprintf("offsets %d to %d of partition %d of %s", p.first, p.next-1, p.partition, p.topic)
}

// id names the range's components in a configuration.
func (p part) id() string {
	return fmt.Sprintf("refill_%s_%d_%d_%d", p.signal, p.partition, p.first, p.next)
}

// job names the range's job of a refill that begins now, in at most 40 characters: offsets can be long, and a job of one name runs once.
func (p part) job(now time.Time) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %d %d %s", p.dir, p.topic, p.partition, p.first, p.next, now.UTC().Format(time.RFC3339Nano)))
	return "refill-" + hex.EncodeToString(sum[:8])
}

// maxJobs bounds the jobs of one receiver.
const maxJobs = 50

// writeRefill writes the configuration of jobs that deliver ranges into a separate lake, and returns the names of their receivers. The jobs read the journal
// that the profiles name; in another configuration, set the brokers. All ranges have one signal, and id names the components.
func (l *lake) writeRefill(base, id, rows string, ranges []part) error {
	path := filepath.Join(l.set.Root, refillDir, base+".yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	root, err := filepath.Abs(filepath.Join(l.set.Root, refillDir, base))
	if err != nil {
		return err
	}
	var receivers, exporters, pipelines strings.Builder
	for i, jobs := range receiversOf(ranges) {
		id, of := receiverName(id, i), jobs[0]
		fmt.Fprintf(&receivers, "  kafka_replay/%s:\n    brokers: \"${env:PENSTOCK_KAFKA_BROKERS:-${env:PENSTOCK_KAFKA_ENDPOINT:-127.0.0.1:9092}}\"\n    topic_prefix: %q\n    jobs:\n      recorded: [%s]\n      run:\n",
			id, strings.TrimSuffix(of.topic, "."+of.signal), of.signal)
		for _, p := range jobs {
			fmt.Fprintf(&receivers, "        - {id: %s, signal: %s, offsets: [{partition: %d, first: %d, next: %d}]}\n", p.job(l.set.Now), p.signal, p.partition, p.first, p.next)
		}
		fmt.Fprintf(&exporters, "  parquet/%s:\n    url: %q\n", id, root)
		fmt.Fprintf(&pipelines, "    %s/%s:\n      receivers: [kafka_replay/%[2]s]\n      exporters: [parquet/%[2]s]\n", of.signal, id)
	}
	return durable.WriteFile(path, fmt.Appendf(nil, "# Reads %s again into %s.\n"+
		"# Written by penstock repair: start penstock once with this file after its other configurations, then repair again.\n"+
		"receivers:\n%sexporters:\n%sservice:\n  pipelines:\n%s", rows, root, receivers.String(), exporters.String(), pipelines.String()), 0o600)
}

// receiversOf divides ranges, which are in the order of their topics, among receivers: each has one topic.
func receiversOf(ranges []part) (all [][]part) {
	for _, p := range ranges {
		if n := len(all) - 1; n >= 0 && all[n][0].topic == p.topic && len(all[n]) < maxJobs {
			all[n] = append(all[n], p)
			continue
		}
		all = append(all, []part{p})
	}
	return all
}

func receiverName(id string, i int) string {
	if i == 0 {
		return id
	}
	return fmt.Sprintf("%s_%d", id, i)
}

// howToRefill says how the rows of a configuration are restored.
func howToRefill(config, id string, receivers int) string {
	jobs := "its job is done (GET /kafka_replay/" + id + "/v1/replays at the admin address)"
	if receivers > 1 {
		jobs = fmt.Sprintf("the jobs of its %d receivers are done (GET /kafka_replay/%s/v1/replays at the admin address, and so on)", receivers, id)
	}
	return "While the journal has the offsets, restore the rows: start penstock once with its usual flags and --config " + config +
		" after the others, wait until " + jobs + ", stop it, and run penstock repair --apply again"
}

// refilled finds the ranges that a job has written, and proposes to move the missing rows to their place.
func (l *lake) refilled() ([]repair.Finding, error) {
	configs, err := sorted(filepath.Join(l.set.Root, refillDir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var found []repair.Finding
	for _, config := range configs {
		f, err := l.refill(strings.TrimSuffix(config, ".yaml"))
		if err != nil {
			return nil, err
		}
		found = append(found, f...)
	}
	merged, err := l.restored()
	return append(found, merged...), err
}

// place is a directory of the lake in which rows of a range are missing.
type place struct {
	part
	aside string   // the damaged file
	rows  []string // what a job has written for it
}

// refill proposes what to do with the rows below from, the directory of one range.
func (l *lake) refill(from string) ([]repair.Finding, error) {
	damaged, err := sorted(filepath.Join(l.set.Root, damagedDir, "*", "*", "*", "*", filepath.Base(from)+"-*"))
	if err != nil {
		return nil, err
	}
	var places []place
	seen := map[string]bool{}
	read, begun := 0, false
	for _, path := range damaged {
		rel, err := filepath.Rel(filepath.Join(l.set.Root, damagedDir), path)
		if err != nil {
			return nil, err
		}
		p, ok := parseName(rel)
		if !ok || seen[p.dir] {
			continue
		}
		seen[p.dir] = true
		rows, err := sorted(filepath.Join(from, p.dir, "*"+extension))
		if err != nil {
			return nil, err
		}
		read += len(rows)
		begun = begun || exists(filepath.Join(from, p.dir, movingMark))
		places = append(places, place{p, path, rows})
	}
	if len(places) == 0 {
		return nil, nil
	}
	if read == 0 && !begun {
		return []repair.Finding{{Path: places[0].aside, Damage: "set aside earlier", Lost: places[0].part.rows(),
			Follows: fmt.Sprintf("the rows are not restored yet. While the journal has the offsets: start penstock once with its usual flags and --config %s.yaml "+
				"after the others, wait for its job, and repair again. To give the rows up, delete that file", from)}}, nil
	}
	return []repair.Finding{{Path: from, Damage: "lost rows were read again from the journal: " + places[0].part.rows(),
		Action: fmt.Sprintf("move %d files into %d directories of the lake", read, len(places)), Follows: "the rows are in the lake again",
		Repair: func(context.Context) (string, error) { return l.moveIn(from, places) }}}, nil
}

// movingMark is a file beside the rows for a directory: all remaining files of their range were set aside, and what is there now are such rows, which an
// earlier run has moved.
const movingMark = "moving"

// moveIn moves the rows of a range to the place of the missing ones, and ends its refill. It sets aside remaining files of the range: the new ones
// have all of its rows. Killed at any moment, the next run goes on.
func (l *lake) moveIn(from string, places []place) (string, error) {
	moved := 0
	for _, p := range places {
		for _, path := range p.rows {
			if text, err := examine(path, true); err != nil {
				return "", err
			} else if text != "" {
				return "", fmt.Errorf("%s: %s", path, text)
			}
		}
		to := filepath.Join(l.set.Root, p.dir)
		if mark := filepath.Join(from, p.dir, movingMark); len(p.rows) > 0 && !exists(mark) {
			old, err := sorted(filepath.Join(to, p.base+"-*"+extension))
			if err != nil {
				return "", err
			}
			for _, path := range old {
				if _, err := l.setAside(path, filepath.Join(p.dir, filepath.Base(path))); err != nil {
					return "", err
				}
			}
			if err := durable.WriteFile(mark, nil, 0o600); err != nil {
				return "", err
			}
		}
		// Use the name of the damaged file, so that a second delivery of the range replaces it.
		name, _, _ := strings.Cut(filepath.Base(p.aside), ".damaged-")
		for _, path := range p.rows {
			for n := 1; exists(filepath.Join(to, name)); n++ {
				name = fmt.Sprintf("%s-refilled-%d%s", p.base, n, extension)
			}
			if err := durable.Rename(path, filepath.Join(to, name)); err != nil {
				return "", err
			}
			moved++
		}
	}
	done := fmt.Sprintf("moved %d files", moved)
	// The mark goes before the configuration: one that stayed would be taken for that of a later refill of the range.
	if err := os.RemoveAll(from); err != nil {
		return done, err
	}
	return done, os.Remove(from + ".yaml")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
