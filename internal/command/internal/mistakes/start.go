package mistakes

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/internal/command/internal/holder"
)

var (
	cannotListen = regexp.MustCompile(`listen (tcp|udp)[46]? (\S+): (.*)$`)
	pathOfError  = regexp.MustCompile(`\b(?:mkdir|open|stat|lstat|rename|remove|unlinkat|chdir|read|write) (\S+?):? `)
	cannotWrite  = regexp.MustCompile(`permission denied|read-only file system|not a directory|no such file or directory|file exists|no space left on device`)
)

// Explain translates an error of a start into terms of the configuration: which component needs the port and which process uses it, which variable
// names the directory. Unknown errors stay unchanged.
func (r Report) Explain(err error) error {
	if err == nil || r.finder == nil {
		return err
	}
	text := err.Error()
	if m := cannotListen.FindStringSubmatch(firstLine(text)); m != nil {
		return errors.New(r.finder.port(m[1], m[2], m[3]))
	}
	if cannotWrite.MatchString(text) {
		if more := r.finder.directory(text); more != "" {
			return fmt.Errorf("%w\n%s", err, more)
		}
	}
	return err
}

func firstLine(text string) string { line, _, _ := strings.Cut(text, "\n"); return line }

// port says which component needs an address, why it can't be used, and how to change it.
func (f *finder) port(network, address, reason string) string {
	path := f.pathOf(address)
	who := "the collector"
	if len(path) >= 2 {
		who = joined(path[:2])
	}
	text := fmt.Sprintf("%s cannot listen on %s: ", who, address)
	if strings.Contains(reason, "address already in use") || strings.Contains(reason, "Only one usage of each socket address") {
		text += "another process uses the port"
		_, port, _ := net.SplitHostPort(address)
		if n, err := strconv.Atoi(port); err == nil {
			if name, pid, ok := holder.Of(network, n); ok {
				text = strings.TrimSuffix(text, "another process uses the port") + fmt.Sprintf("%s (process %d) uses the port", name, pid)
			}
		}
		return text + ". Stop it, or choose another address with " + f.setting(path)
	}
	return text + reason + ". Choose another address with " + f.setting(path)
}

// pathOf returns the path of an address in the configuration: as one value, or as host and port.
func (f *finder) pathOf(address string) (found []string) {
	host, port, _ := net.SplitHostPort(address)
	for _, section := range []string{"extensions", "receivers"} { // Exporters have the addresses of other processes.
		leaves(f.whole[section], []string{section}, func(path []string, text string) {
			if found != nil || path[len(path)-1] != "endpoint" {
				return
			}
			h, p, err := net.SplitHostPort(text)
			if text == address || err == nil && p == port && (h == "localhost" || h == "") {
				found = path
			}
		})
	}
	if found != nil {
		return found
	}
	var walk func(node any, path []string)
	walk = func(node any, path []string) {
		switch node := node.(type) {
		case map[string]any:
			if fmt.Sprint(node["host"]) == host && fmt.Sprint(node["port"]) == port {
				found = append(append([]string{}, path...), "port")
			}
			for k, v := range node {
				walk(v, append(append([]string{}, path...), k))
			}
		case []any:
			for i, v := range node {
				walk(v, append(append([]string{}, path...), strconv.Itoa(i)))
			}
		}
	}
	walk(f.whole, nil)
	return found
}

// setting names the way to change the value at path: its variable, or its key.
func (f *finder) setting(path []string) string {
	if value, _ := at(f.unexpanded, path); value != nil {
		if name := decides(fmt.Sprint(value)); name != "" {
			return name
		}
	}
	if len(path) == 0 {
		return "its endpoint"
	}
	return joined(path)
}

// directory names the variable, or the key, that an unusable directory comes from.
func (f *finder) directory(text string) string {
	at, where := f.pathOfFile(text)
	if at == nil {
		return ""
	}
	value, _ := lookup(f.unexpanded, at)
	if name := decides(value); name != "" {
		if set := os.Getenv(name); set != "" {
			where = set
		}
		return fmt.Sprintf("%s decides where this is (%s): set it to a directory with free space that this user can write", name, where)
	}
	return fmt.Sprintf("%s decides where this is: set it to a directory with free space that this user can write", joined(at))
}

// pathOfFile returns the path in the configuration of the file or directory in an error, and its value: the key that the text names, else the
// longest value that the text quotes, else the first value that lies below a path of the text, because os.MkdirAll reports the parent that it could
// not create, not its argument.
func (f *finder) pathOfFile(text string) (found []string, value string) {
	best, first := 0, ""
	leaves(f.whole, nil, func(path []string, leaf string) {
		if len(leaf) < 2 || !strings.ContainsRune(leaf, os.PathSeparator) || strings.Contains(leaf, "://") {
			return
		}
		key, rank := joined(path), 0
		switch {
		case strings.Contains(text, key+":"):
			rank = 1<<20 + len(key)
		case strings.Contains(text, leaf):
			rank = 1 + len(leaf)
		case liesBelow(leaf, text):
			rank = 1
		}
		if rank > best || rank > 0 && rank == best && key < first {
			found, value, best, first = path, leaf, rank, key
		}
	})
	return found, value
}

// liesBelow reports whether a path that an *fs.PathError of the text names is a parent of file.
func liesBelow(file, text string) bool {
	for _, m := range pathOfError.FindAllStringSubmatch(text, -1) {
		if rest, ok := strings.CutPrefix(filepath.Clean(file), filepath.Clean(m[1])); ok && (rest == "" || rest[0] == os.PathSeparator) {
			return true
		}
	}
	return false
}

func lookup(conf any, path []string) (string, bool) {
	value, ok := at(conf, path)
	s, isText := value.(string)
	return s, ok && isText
}
