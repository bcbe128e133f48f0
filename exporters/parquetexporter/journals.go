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
)

const (
	// journalsDir has a file for each source of named files: which log its offsets count in.
	journalsDir = "_journals"
	// unknownTopic is in the name of a log whose broker reports no ids.
	unknownTopic = "/00000000000000000000000000000000/"
	mostLog      = 1 << 10
)

// checkJournal tells when files of the same names come from two logs: two standalone collectors, each with a journal of its own, give equal offsets to different
// records, and each replaces files of the other. The file is written anew, so both say so at their next start. It costs a read, at first a write.
func (e *parquetExporter[D]) checkJournal(ctx context.Context, session *delivery.Session) {
	log := session.Log()
	if strings.Contains(log, unknownTopic) || strings.Contains(session.Label(), "@") { // a job reads the log of live delivery
		return
	}
	at := path.Join(journalsDir, sourceName(session)+".txt")
	was, err := e.lakes.store.Tail(ctx, at, mostLog)
	switch {
	case err == nil && string(was) == log:
		return
	case err == nil:
		err = fmt.Errorf("the lake has files of %s from the log %s, and this one is %s: if another collector writes here, give each a url of its own; if its data was removed since, nothing needs to be done",
			sourceName(session), was, log)
		e.logger.Error("Another journal has written files of the same names into the lake", zap.String("source", sourceName(session)), zap.Error(err))
		componentstatus.ReportStatus(e.host, componentstatus.NewRecoverableErrorEvent(err))
	case !errors.Is(err, fs.ErrNotExist):
		e.logger.Debug("Which journal writes into the lake could not be read", zap.Error(err))
		return
	}
	if err := e.lakes.store.Put(ctx, at, []byte(log)); err != nil {
		e.logger.Debug("Which journal writes into the lake could not be written", zap.Error(err))
	}
}
