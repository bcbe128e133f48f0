package parquetexporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/penstockhq/penstock/exporters/parquetexporter/internal/rows"
	"github.com/penstockhq/penstock/internal/lakestore"
)

// schemaDir holds, for each signal and schema version that was written into a lake, the columns of its table.
const schemaDir = "_schema"

// errSchema says that a lake has files which could not be read together with those of this version.
var errSchema = errors.New("the lake has a table that this version can't write to")

// table describes a table in schemaDir.
type table struct {
	Signal  string   `json:"signal"`
	Version string   `json:"version"`
	Columns []string `json:"columns"` // "name type"
}

// checkSchema compares the table of this version with those of all versions that have written into the lake, older and newer ones, and adds it to them.
// damaged are the documents that could not be compared; the one of this version is written anew.
func checkSchema(ctx context.Context, store lakestore.Store, signal string, columns []string) (damaged []string, err error) {
	documents, err := store.Documents(ctx, schemaDir)
	if err != nil {
		return nil, err
	}
	mine := table{Signal: signal, Version: rows.SchemaVersion, Columns: columns}
	name := fmt.Sprintf("%s.v%s.json", mine.Signal, mine.Version)
	var found []string
	for _, of := range slices.Sorted(maps.Keys(documents)) {
		var t table
		if !strings.HasPrefix(of, signal+".v") || path.Ext(of) != ".json" {
			continue
		}
		if json.Unmarshal(documents[of], &t) != nil || len(t.Columns) == 0 {
			damaged = append(damaged, path.Join(schemaDir, of))
			delete(documents, of)
			continue
		}
		for _, difference := range rows.Differences(mine.Columns, t.Columns) {
			found = append(found, fmt.Sprintf("%s: %s (schema version %s, in %s/%s)", signal, difference, t.Version, schemaDir, of))
		}
	}
	if len(found) > 0 {
		return damaged, fmt.Errorf("%w: %s", errSchema, strings.Join(found, "; "))
	}
	if _, there := documents[name]; there {
		return damaged, nil
	}
	content, err := json.MarshalIndent(mine, "", " ")
	if err != nil {
		return damaged, err
	}
	return damaged, store.PutDocument(ctx, schemaDir, name, content)
}
