package parquetexporter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/delivery"
	"github.com/penstockhq/penstock/internal/lakestore"
	"github.com/penstockhq/penstock/internal/lakestore/bucket"
)

const (
	// journalsDir has a file <source>-g<generation>.txt for each log whose offsets are in names of files; its text is the log.
	journalsDir = "_journals"
	// unknownTopic is in the name of a log whose broker reports no ids.
	unknownTopic = "/00000000000000000000000000000000/"
	// later ends the text of a generation that no log may take.
	later   = " begins later"
	mostLog = 1 << 10
)

// generationIn returns the generation in the names of the session's files in a lake: the session's own, or, where another log has that one, the first free
// one above. So two collectors, each with a journal of its own, replace no file of each other, nor does a journal that begins anew because its
// directory was removed. The lake keeps it for ever, so a range that comes again has its name again. It costs a request for each log that the
// partition has had. An error is one of the storage.
func (e *parquetExporter[D]) generationIn(ctx context.Context, store lakestore.Store, session *delivery.Session) (uint32, error) {
	log, own := session.Log(), session.Generation()
	if strings.Contains(log, unknownTopic) {
		return own, nil
	}
	if strings.Contains(session.Label(), "@") {
		if g, found, err := newestOf(ctx, store, session); found || err != nil {
			return g, err
		}
	}
	before := ""
	for g := uint32(0); ; g++ {
		text := log
		if g < own {
			text += later // no other log may take it: its files would seem older than they are
		}
		has, made, err := claim(ctx, store, journalFile(sourceOf(session), g), text)
		switch {
		case err != nil:
			return 0, fmt.Errorf("which journals write into the lake: %w", err)
		case has == log:
			if made && before != "" {
				e.logger.Warn("The lake has files of another journal: this one's files get another generation",
					zap.String("source", sourceOf(session)), zap.String("before", before), zap.String("log", log), zap.Uint32("generation", g))
			}
			e.tellLater(ctx, store, session, g)
			return g, nil
		case g >= own:
			before = has
		}
	}
}

// newestOf returns the newest generation of a job's log, if live delivery has written of it. Each counts on its own how often it found the log cut, and
// verify and repair take files of lower generations for those of a former log.
func newestOf(ctx context.Context, store lakestore.Store, session *delivery.Session) (g uint32, found bool, err error) {
	topic := session.Log()
	topic = topic[:strings.LastIndexByte(topic, '/')+1]
	for i := uint32(0); ; i++ {
		text, err := store.Tail(ctx, journalFile(sourceOf(session), i), mostLog)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, bucket.ErrRefused): // keys that may not list are denied what is not there
			return g, found, nil
		case err != nil:
			return 0, false, fmt.Errorf("which journals write into the lake: %w", err)
		case strings.HasPrefix(string(text), topic) && !strings.HasSuffix(string(text), later):
			g, found = i, true
		}
	}
}

// claim creates the file at, unless it exists, and returns its text. The keys of an object store that may not list get no "not found" from a read, so
// it is the write that decides. On a storage that can't create without replacing, two that come at the same moment get one generation.
func claim(ctx context.Context, store lakestore.Store, at, text string) (has string, made bool, err error) {
	for {
		was, readErr := store.Tail(ctx, at, mostLog)
		if readErr == nil {
			return string(was), false, nil
		}
		made, err = store.Create(ctx, at, []byte(text))
		if errors.Is(err, lakestore.ErrNoCreate) && errors.Is(readErr, fs.ErrNotExist) {
			err = store.Put(ctx, at, []byte(text))
			made = err == nil
		}
		switch {
		case err != nil:
			return "", false, err
		case made:
			return text, true, nil
		case !errors.Is(readErr, fs.ErrNotExist):
			return "", false, readErr
		}
	}
}

// tellLater tells that another log has begun to write files of the same source after the session's, which has generation g.
func (e *parquetExporter[D]) tellLater(ctx context.Context, store lakestore.Store, session *delivery.Session, g uint32) {
	source, log := sourceOf(session), session.Log()
	other, err := store.Tail(ctx, journalFile(source, g+1), mostLog)
	if err != nil || len(other) == 0 {
		return
	}
	err = fmt.Errorf("the log %s writes files of %s into the lake, and so does this one, %s: give each collector a url of its own; no row is lost, but verify and repair know the newest log only",
		strings.TrimSuffix(string(other), later), source, log)
	e.logger.Error("Another journal writes into the lake", zap.String("source", source), zap.Error(err))
	componentstatus.ReportStatus(e.host, componentstatus.NewRecoverableErrorEvent(err))
}

func journalFile(source string, g uint32) string {
	return path.Join(journalsDir, fmt.Sprintf("%s-g%d.txt", source, g))
}

// sourceOf is the partition that a session delivers: a job reads the log of live delivery.
func sourceOf(session *delivery.Session) string {
	source, _, _ := strings.Cut(session.Label(), "@")
	return source
}
