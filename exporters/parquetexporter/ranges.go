package parquetexporter

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// batchName names the files of a batch in a lake. From the journal: by its range, so that a second delivery replaces the first, and by the generation of
// the log in this lake, so that a record which took the offset of another one doesn't replace it. Empty: by their content.
func (e *parquetExporter[D]) batchName(ctx context.Context, store lakestore.Store, rules *sessionRules) (string, error) {
	of := delivery.Of(ctx)
	part := of.Part
	if of.Session == nil || part == nil {
		return "", nil
	}
	source, err := e.sourceName(ctx, store, of.Session, rules)
	return fmt.Sprintf("%s-%020d-%020d-%d", source, part.First, part.Next, part.Index), err
}

// sourceName is what the names of a partition's files in a lake begin with. The lake is asked once in a session.
func (e *parquetExporter[D]) sourceName(ctx context.Context, store lakestore.Store, session *delivery.Session, rules *sessionRules) (string, error) {
	rules.mu.Lock()
	defer rules.mu.Unlock()
	if source, known := rules.sources[store.Root()]; known {
		return source, nil
	}
	g, err := e.generationIn(ctx, store, session)
	if err != nil {
		return "", err
	}
	source := session.Label()
	if g > 0 {
		source += fmt.Sprintf("-g%d", g)
	}
	if rules.sources == nil {
		rules.sources = map[string]string{}
	}
	rules.sources[store.Root()] = source
	return source, nil
}

var rangeName = regexp.MustCompile(`^(.+)-(\d{20})-(\d{20})-\d+$`)

// sessionRules are the layout in force in one session.
type sessionRules struct {
	*delivery.Rules[layout]
	once sync.Once // of the check of the lake's files

	mu      sync.Mutex
	sources map[string]string // guarded by mu; what names of files begin with, by the lake's root
}

// files knows, for each source of named files, the highest offset that the lake has rows below. It costs a listing of the lake, once, and
// some 100 bytes for each partition and job that has files there.
type files struct {
	mu     sync.Mutex
	listed bool             // guarded by mu
	next   map[string]int64 // guarded by mu; by source
}

// add takes a file's name into account.
func (f *files) add(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addLocked(name)
}

func (f *files) addLocked(name string) {
	m := rangeName.FindStringSubmatch(name)
	if m == nil {
		return
	}
	next, err := strconv.ParseInt(m[3], 10, 64)
	if err != nil {
		return
	}
	if f.next == nil {
		f.next = map[string]int64{}
	}
	f.next[m[1]] = max(f.next[m[1]], next)
}

// below returns the offset that the rows of source's files lie below.
func (f *files) below(source string, list func(each func(name string)) error) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.listed {
		if err := list(f.addLocked); err != nil {
			return 0, err
		}
		f.listed = true
	}
	return f.next[source], nil
}

// checkFiles tells when the lake has rows of offsets that the checkpoint knows nothing of: it is an older one, or there is none. What is
// delivered from there on is cut into other ranges, so it is there twice.
func (e *parquetExporter[D]) checkFiles(ctx context.Context, session *delivery.Session, source string) {
	next, begun := session.Resumed()
	if n := len(begun); n > 0 {
		next = begun[n-1].Next
	}
	below, err := e.files.below(source, func(each func(string)) error {
		return errors.Join(e.lakes.store.Names(ctx, e.signal, each), lakestore.MergedNames(ctx, e.lakes.store, e.signal, each))
	})
	if err != nil {
		e.logger.Warn("The lake could not be listed: rows of a lost checkpoint can't be detected", zap.Error(err))
		return
	}
	if below <= next {
		return
	}
	e.metrics.ExporterParquetRepeatedOffsets.Add(ctx, below-next, e.attr)
	err = fmt.Errorf("the lake has files of %s up to offset %d, and its checkpoint resumes at %d: the state topic was emptied or restored; rows of the offsets between are there twice now",
		source, below, next)
	e.logger.Error("The lake has rows that the checkpoint doesn't know", zap.String("source", source), zap.Int64("resumed", next), zap.Int64("files_below", below), zap.Error(err))
	componentstatus.ReportStatus(e.host, componentstatus.NewRecoverableErrorEvent(err))
}
