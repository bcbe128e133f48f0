// Command collect merges what benchmarks wrote to a file (environment variable FIGURES) into testbed/figures/report.json
// and writes report.md again. It runs in testbed:
//
//	go run ./figures/collect ../build/figures.jsonl
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/penstockhq/penstock/testbed/figures"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: collect FILE")
		os.Exit(2)
	}
	if err := collect(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "collect:", err)
		os.Exit(1)
	}
}

func collect(path string) error {
	lines, err := os.Open(path)
	if err != nil {
		return err
	}
	defer lines.Close()
	report, err := figures.Read("figures/report.json")
	if err != nil {
		return err
	}
	commit, err := exec.Command("git", "rev-parse", "--short=10", "HEAD").Output()
	if err != nil {
		return fmt.Errorf("git rev-parse: %w", err)
	}
	run := figures.Entry{Machine: machine(), Date: time.Now().UTC().Format(time.DateOnly), Commit: strings.TrimSpace(string(commit))}
	if err := report.Merge(lines, run); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(report, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile("figures/report.json", append(raw, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile("figures/report.md", []byte(report.Markdown()), 0o644)
}

// machine names the processor and how many of its cores the run had.
func machine() string {
	model := runtime.GOARCH
	info, _ := os.ReadFile("/proc/cpuinfo") // other systems have none
	for line := range strings.Lines(string(info)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			model = strings.TrimLeft(strings.TrimSpace(name), ": ")
			break
		}
	}
	return fmt.Sprintf("%d x %s", runtime.NumCPU(), model)
}
