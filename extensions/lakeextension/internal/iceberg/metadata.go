package iceberg

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	formatVersion = 2
	// The columns that tables are partitioned by have the same ids in all of them.
	timeID, tenantID = 1, 2
	timeColumn       = "time"
	tenantColumn     = "tenant_id"
	// unpartitioned is the spec of files that hold rows of more than one hour; hourly is that of all others.
	unpartitioned, hourly = 0, 1
	mainBranch            = "main"
	nameMappingProperty   = "schema.name-mapping.default"
)

// Metadata is the content of a vN.metadata.json: https://iceberg.apache.org/spec/#table-metadata-fields
type Metadata struct {
	FormatVersion      int               `json:"format-version"`
	UUID               string            `json:"table-uuid"`
	Location           string            `json:"location"`
	LastSequenceNumber int64             `json:"last-sequence-number"`
	LastUpdated        int64             `json:"last-updated-ms"`
	LastColumnID       int               `json:"last-column-id"`
	Schemas            []Schema          `json:"schemas"`
	CurrentSchemaID    int               `json:"current-schema-id"`
	PartitionSpecs     []Spec            `json:"partition-specs"`
	DefaultSpecID      int               `json:"default-spec-id"`
	LastPartitionID    int               `json:"last-partition-id"`
	SortOrders         []SortOrder       `json:"sort-orders"`
	DefaultSortOrderID int               `json:"default-sort-order-id"`
	Properties         map[string]string `json:"properties"`
	CurrentSnapshotID  *int64            `json:"current-snapshot-id,omitempty"`
	Snapshots          []Snapshot        `json:"snapshots"`
	SnapshotLog        []SnapshotLog     `json:"snapshot-log"`
	MetadataLog        []MetadataLog     `json:"metadata-log"`
	Refs               map[string]Ref    `json:"refs"`
}

// Spec says how the files of a manifest are partitioned.
type Spec struct {
	ID     int         `json:"spec-id"`
	Fields []SpecField `json:"fields"`
}

// SpecField is one value of a partition.
type SpecField struct {
	SourceID  int    `json:"source-id"`
	FieldID   int    `json:"field-id"`
	Name      string `json:"name"`
	Transform string `json:"transform"`
}

// SortOrder is always the unsorted one: our files are sorted, but merged ones need not be by the same columns.
type SortOrder struct {
	ID     int   `json:"order-id"`
	Fields []int `json:"fields"`
}

// Snapshot is a state of the table.
type Snapshot struct {
	ID             int64             `json:"snapshot-id"`
	ParentID       *int64            `json:"parent-snapshot-id,omitempty"`
	SequenceNumber int64             `json:"sequence-number"`
	Timestamp      int64             `json:"timestamp-ms"`
	ManifestList   string            `json:"manifest-list"`
	Summary        map[string]string `json:"summary"`
	SchemaID       int               `json:"schema-id"`
}

// SnapshotLog says when a snapshot became the current one.
type SnapshotLog struct {
	Timestamp  int64 `json:"timestamp-ms"`
	SnapshotID int64 `json:"snapshot-id"`
}

// MetadataLog says when there was which metadata file.
type MetadataLog struct {
	Timestamp int64  `json:"timestamp-ms"`
	File      string `json:"metadata-file"`
}

// Ref is a branch.
type Ref struct {
	SnapshotID int64  `json:"snapshot-id"`
	Type       string `json:"type"`
}

// specs are the same for all tables. A file of one hour and tenant belongs to the second one, any other to the first.
func specs() []Spec {
	return []Spec{
		{unpartitioned, []SpecField{}},
		{hourly, []SpecField{{timeID, 1000, "time_hour", "hour"}, {tenantID, 1001, tenantColumn, "identity"}}},
	}
}

// newMetadata is a table without a snapshot.
func newMetadata(uuid, location string) *Metadata {
	fields := []Field{{ID: timeID, Name: timeColumn, Type: Type{Primitive: "timestamptz"}}, {ID: tenantID, Name: tenantColumn, Type: Type{Primitive: "string"}}}
	return &Metadata{
		FormatVersion: formatVersion, UUID: uuid, Location: location, LastColumnID: tenantID,
		Schemas: []Schema{{"struct", 0, fields}}, PartitionSpecs: specs(), DefaultSpecID: hourly, LastPartitionID: 1001,
		SortOrders: []SortOrder{{0, []int{}}},
		Properties: map[string]string{nameMappingProperty: NameMapping(fields), "write.parquet.compression-codec": "zstd"},
		Snapshots:  []Snapshot{}, SnapshotLog: []SnapshotLog{}, MetadataLog: []MetadataLog{}, Refs: map[string]Ref{},
	}
}

// Schema is the current one.
func (m *Metadata) Schema() Schema {
	for _, s := range m.Schemas {
		if s.ID == m.CurrentSchemaID {
			return s
		}
	}
	return Schema{Type: "struct"}
}

// Snapshot is the current one, nil if there is none yet.
func (m *Metadata) Snapshot() *Snapshot {
	if m.CurrentSnapshotID == nil {
		return nil
	}
	for i := range m.Snapshots {
		if m.Snapshots[i].ID == *m.CurrentSnapshotID {
			return &m.Snapshots[i]
		}
	}
	return nil
}

// addColumns makes the table have the columns of a file, too.
func (m *Metadata) addColumns(file []Field) error {
	current := m.Schema()
	fields, last, changed, err := Union(current.Fields, file, m.LastColumnID)
	if err != nil || !changed {
		return err
	}
	id := 0
	for _, s := range m.Schemas {
		id = max(id, s.ID+1)
	}
	m.Schemas = append(slices.Clone(m.Schemas), Schema{"struct", id, fields})
	m.CurrentSchemaID, m.LastColumnID = id, last
	m.Properties[nameMappingProperty] = NameMapping(fields)
	return nil
}

// clone returns a copy whose maps and slices can be changed.
func (m *Metadata) clone() *Metadata {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // of plain structs
	}
	c := &Metadata{}
	if err := json.Unmarshal(text, c); err != nil {
		panic(err)
	}
	return c
}

// versionName is the name of a metadata file. Zeros in front would let names sort, but readers of file system tables expect none.
func versionName(dir string, n int) string {
	return path.Join(dir, fmt.Sprintf("v%d.metadata.json", n))
}

// parseVersion reads the name of a metadata file.
func parseVersion(name string) (n int, ok bool) {
	digits, ok := strings.CutPrefix(path.Base(name), "v")
	if ok {
		digits, ok = strings.CutSuffix(digits, ".metadata.json")
	}
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && n > 0
}
