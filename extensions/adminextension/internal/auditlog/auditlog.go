// Package auditlog writes lines of JSON to a file that is rotated.
package auditlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/DeRuina/timberjack"
)

// Settings are the file and the amount of data to keep.
type Settings struct {
	File     string // its directory is made with mode 0700, the file with 0600
	MaxSize  int    // megabytes of the file before it is renamed
	MaxFiles int    // renamed files to keep; 0: all
}

// Log is a file of lines. One process may use it; it is safe for concurrent use there.
type Log struct {
	mu     sync.Mutex
	out    *timberjack.Logger // guarded by mu
	closed bool               // guarded by mu
}

// Open opens the file. It fails if no line could be written.
func Open(s Settings) (*Log, error) {
	if err := os.MkdirAll(filepath.Dir(s.File), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return &Log{out: &timberjack.Logger{Filename: s.File, MaxSize: s.MaxSize, MaxBackups: s.MaxFiles, FileMode: 0o600, Compression: "none"}}, nil
}

// Write appends v as one line.
func (l *Log) Write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a line: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errors.New("the audit log is closed")
	}
	_, err = l.out.Write(append(line, '\n'))
	return err
}

// Close closes the file. It may be repeated.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return l.out.Close()
}
