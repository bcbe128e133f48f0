package profileprovider

import (
	"os"
	"os/exec"
	"runtime"
	"strings"

	"go.opentelemetry.io/collector/confmap"
)

// surroundings are the machine's properties that a profile depends on.
type surroundings struct {
	profile  string // its name
	env      func(name string) (value string, set bool)
	hostName string
	hostID   string // empty if the machine has none
	memory   int64  // bytes that the process may use
	journal  bool   // there is a systemd journal, and journalctl to read it
}

func newProvider(confmap.ProviderSettings) confmap.Provider {
	return &provider{env: os.LookupEnv}
}

func (p *provider) surroundings(profile string) surroundings {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	return surroundings{profile: profile, env: p.env, hostName: name, hostID: machineID(), memory: min(memory("/"), heapLimit()), journal: findJournal()}
}

// isSet says whether the variable has a value that is not empty.
func (s surroundings) isSet(variable string) bool {
	value, _ := s.env(variable)
	return strings.TrimSpace(value) != ""
}

// list splits the comma-separated value of the variable.
func (s surroundings) list(variable string) []any {
	value, _ := s.env(variable)
	var all []any
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			all = append(all, literal(item))
		}
	}
	return all
}

// machineID is the id that semantic conventions define for host.id on Linux. It costs a file read, while the detectors of resourcedetection cost 56
// MB of binary.
func machineID() string {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if id, err := os.ReadFile(path); err == nil {
			return strings.TrimSpace(string(id))
		}
	}
	return ""
}

func findJournal() bool {
	if runtime.GOOS != "linux" {
		return false
	}
	if _, err := exec.LookPath("journalctl"); err != nil {
		return false
	}
	for _, dir := range []string{"/var/log/journal", "/run/log/journal"} {
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
			return true
		}
	}
	return false
}

// literal prevents the resolver from expanding a value.
func literal(value string) string {
	return strings.ReplaceAll(value, "$", "$$")
}
