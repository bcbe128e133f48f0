// Command collect runs the benchmarks whose figures documents quote, merges the results into testbed/figures/report.json
// after each package, writes report.md again, and writes the medians into the documents that mark them. It runs in testbed:
//
//	go run ./figures/collect                     # everything, two hours and a half
//	go run ./figures/collect bench/lake quota    # the packages whose folder contains one of these
//	go run ./figures/collect -update             # no benchmark: documents from the report
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/penstockhq/penstock/testbed/figures"
	"github.com/penstockhq/penstock/testbed/internal/measure"
)

const root = ".."

func main() {
	update := flag.Bool("update", false, "run no benchmark: write the report's medians into the documents")
	flag.Parse()
	if err := collect(*update, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "collect:", err)
		os.Exit(1)
	}
}

func collect(update bool, names []string) error {
	report, err := figures.Read("figures/report.json")
	if err != nil {
		return err
	}
	ran := map[string]bool{}
	if !update {
		some := chosen(names)
		if len(some) == 0 {
			return fmt.Errorf("no benchmarks in a folder like %s: collect/runs.go lists them", strings.Join(names, " "))
		}
		if err := prepare(some); err != nil {
			return err
		}
		for _, r := range some {
			measured, err := r.into(&report)
			if err != nil {
				return fmt.Errorf("%s: %w", r.folder, err)
			}
			for _, f := range measured {
				ran[figures.Benchmark(f.Name)] = true
			}
			if err := write(report); err != nil {
				return err
			}
		}
	}
	if err := write(report); err != nil {
		return err
	}
	var mistakes []error
	err = figures.EachDocument(root, func(path, document string) error {
		for _, waiting := range report.Waiting(document) {
			if ran[figures.Benchmark(waiting)] {
				mistakes = append(mistakes, fmt.Errorf("%s marks %s, and the benchmark ran and reported no such figure", path, waiting))
			}
		}
		if updated := report.Update(document); updated != document {
			fmt.Println("updated", path)
			return os.WriteFile(filepath.Join(root, path), []byte(updated), 0o644)
		}
		return nil
	})
	return errors.Join(append(mistakes, err)...)
}

// prepare makes what the runs need, each once.
func prepare(some []run) error {
	made := map[string]bool{}
	for _, r := range some {
		for _, need := range r.needs {
			if made[need] {
				continue
			}
			made[need] = true
			if err := command(root, "make", append([]string{"--no-print-directory"}, strings.Fields(need)...)...).Run(); err != nil {
				return fmt.Errorf("make %s: %w", need, err)
			}
		}
	}
	return nil
}

func write(report figures.Report) error {
	raw, err := json.MarshalIndent(report, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile("figures/report.json", append(raw, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile("figures/report.md", []byte(report.Markdown()), 0o644)
}

// into runs the benchmarks and merges their figures, which it returns.
func (r run) into(report *figures.Report) ([]measure.Figure, error) {
	commit, err := exec.Command("git", "rev-parse", "--short=10", "HEAD").Output()
	if err != nil {
		return nil, fmt.Errorf("git rev-parse: %w", err)
	}
	began := now()
	measured, err := r.measure()
	if err != nil {
		return nil, err
	}
	report.Merge(measured, figures.Entry{Machine: machine(), Others: began.others(), Date: time.Now().UTC().Format(time.DateOnly), Commit: strings.TrimSpace(string(commit))})
	return measured, nil
}

// measure compiles the benchmarks, so that the compiler does not count as other work, and runs them in their folder.
func (r run) measure() ([]measure.Figure, error) {
	scratch, err := os.MkdirTemp("", "figures")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	test, lines := filepath.Join(scratch, "bench.test"), filepath.Join(scratch, "figures.jsonl")
	folder, err := filepath.Rel(r.module(), r.folder)
	if err != nil {
		return nil, err
	}
	compile := command(filepath.Join(root, r.module()), "go", "test", "-c", "-tags", r.tags, "-o", test, "./"+filepath.ToSlash(folder))
	compile.Env = append(os.Environ(), "CGO_ENABLED=0") // as the distribution is built: libraries compress otherwise with cgo
	if err := compile.Run(); err != nil {
		return nil, fmt.Errorf("go test -c: %w", err)
	}
	rounds := figures.Rounds{Package: r.folder, Units: r.units, Ours: r.ours}
	for range max(1, r.rounds) {
		cmd := command(filepath.Join(root, r.folder), test, "-test.run", "^$", "-test.bench", r.bench, "-test.benchtime", r.time, "-test.timeout", "4h")
		cmd.Env = append(os.Environ(), "FIGURES="+lines)
		var printed strings.Builder
		cmd.Stdout = &printed
		err := cmd.Run()
		fmt.Print(printed.String())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.bench, err)
		}
		rounds.Add(printed.String())
	}
	if r.rounds > 0 {
		if len(rounds.Figures()) == 0 {
			return nil, fmt.Errorf("no benchmark that matches %q printed one of %s", r.bench, strings.Join(r.units, ", "))
		}
		return rounds.Figures(), nil
	}
	file, err := os.Open(lines)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return figures.Lines(file)
}

func command(folder, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, os.Stdout, os.Stderr
	return cmd
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
