package parquetexporter

import (
	"errors"
	"sync"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/lake"
)

// layout is what decides, beside a batch itself, which row goes into which file. It travels in the checkpoints of a journal's
// partitions.
type layout struct {
	// Root is the lake's directory, absolute.
	Root string `json:"root"`
	// MaxPartitions: see Config.
	MaxPartitions int `json:"max_partitions"`
}

// lakes are the configured lake and those of earlier configurations that ranges are completed in.
type lakes struct {
	configured layout
	dir        *lake.Dir

	mu     sync.Mutex
	former map[string]*lake.Dir // guarded by mu; by root. One for each directory that a checkpoint names
}

// open returns the lake at root. One that is not there any more was moved, and what was in it is in the configured one.
func (l *lakes) open(root string) (*lake.Dir, error) {
	if root == l.configured.Root {
		return l.dir, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if dir, ok := l.former[root]; ok {
		return dir, nil
	}
	if !lake.Exists(root) {
		return l.dir, nil
	}
	dir, _, err := lake.Open(root)
	if err != nil {
		return nil, err
	}
	if l.former == nil {
		l.former = map[string]*lake.Dir{}
	}
	l.former[root] = dir
	return dir, nil
}

func (l *lakes) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.dir.Close()
	for _, dir := range l.former {
		err = errors.Join(err, dir.Close())
	}
	l.former = nil
	return err
}
