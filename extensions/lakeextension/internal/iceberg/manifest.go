package iceberg

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

// Status of a file in a manifest.
const (
	existing = 0
	added    = 1
	deleted  = 2
)

// maxManifest bounds what is unpacked of a manifest or a list of them: a file that claims more is damaged.
const maxManifest = 512 << 20

// DataFile is a Parquet file of the table: https://iceberg.apache.org/spec/#data-file-fields
type DataFile struct {
	Content      int32     `avro:"content"`
	Path         string    `avro:"file_path"`
	Format       string    `avro:"file_format"`
	Partition    Partition `avro:"partition"`
	Rows         int64     `avro:"record_count"`
	Bytes        int64     `avro:"file_size_in_bytes"`
	ValueCounts  []IDCount `avro:"value_counts"`
	NullCounts   []IDCount `avro:"null_value_counts"`
	LowerBounds  []IDBound `avro:"lower_bounds"`
	UpperBounds  []IDBound `avro:"upper_bounds"`
	SplitOffsets []int64   `avro:"split_offsets"`
	Order        *int32    `avro:"sort_order_id"`
}

// Partition are the values of spec hourly: the hour since 1970 and the tenant. Both are nil in spec unpartitioned.
type Partition struct {
	Hour   *int32  `avro:"time_hour"`
	Tenant *string `avro:"tenant_id"`
}

// IDCount and IDBound are entries of maps by column id.
type (
	IDCount struct {
		ID    int32 `avro:"key"`
		Count int64 `avro:"value"`
	}
	IDBound struct {
		ID    int32  `avro:"key"`
		Value []byte `avro:"value"`
	}
)

// Entry is a file in a manifest.
type Entry struct {
	Status       int32    `avro:"status"`
	SnapshotID   *int64   `avro:"snapshot_id"`
	Sequence     *int64   `avro:"sequence_number"`
	FileSequence *int64   `avro:"file_sequence_number"`
	File         DataFile `avro:"data_file"`
}

// Manifest is an entry of a manifest list: https://iceberg.apache.org/spec/#manifest-lists
type Manifest struct {
	Path         string    `avro:"manifest_path"`
	Length       int64     `avro:"manifest_length"`
	SpecID       int32     `avro:"partition_spec_id"`
	Content      int32     `avro:"content"`
	Sequence     int64     `avro:"sequence_number"`
	MinSequence  int64     `avro:"min_sequence_number"`
	SnapshotID   int64     `avro:"added_snapshot_id"`
	Added        int32     `avro:"added_files_count"`
	Existing     int32     `avro:"existing_files_count"`
	Deleted      int32     `avro:"deleted_files_count"`
	AddedRows    int64     `avro:"added_rows_count"`
	ExistingRows int64     `avro:"existing_rows_count"`
	DeletedRows  int64     `avro:"deleted_rows_count"`
	Partitions   []Summary `avro:"partitions"`
}

// Summary says between which values a field of the partitions of a manifest lies.
type Summary struct {
	ContainsNull bool   `avro:"contains_null"`
	ContainsNaN  *bool  `avro:"contains_nan"`
	Lower        []byte `avro:"lower_bound"`
	Upper        []byte `avro:"upper_bound"`
}

// live is the number of files that a reader meets.
func (m *Manifest) live() int { return int(m.Added) + int(m.Existing) }

// overlaps says whether the manifest can have files of the hours [from, to]. Those of spec unpartitioned can always.
func (m *Manifest) overlaps(from, to int32) bool {
	if m.SpecID == unpartitioned || len(m.Partitions) == 0 || len(m.Partitions[0].Lower) != 4 || len(m.Partitions[0].Upper) != 4 {
		return true
	}
	lower, upper := int32(binary.LittleEndian.Uint32(m.Partitions[0].Lower)), int32(binary.LittleEndian.Uint32(m.Partitions[0].Upper))
	return lower <= to && from <= upper
}

const (
	mapOf = `{"type":"array","logicalType":"map","items":{"type":"record","name":"k%[1]d_v%[2]d","fields":[` +
		`{"name":"key","type":"int","field-id":%[1]d},{"name":"value","type":"%[3]s","field-id":%[2]d}]}}`
	partitionOfHourly = `{"name":"time_hour","type":["null","int"],"default":null,"field-id":1000},{"name":"tenant_id","type":["null","string"],"default":null,"field-id":1001}`
)

// The schemas of manifests, by spec, and of lists of them.
var (
	entrySchemas   = []*avro.Schema{avro.MustParse(entrySchema("")), avro.MustParse(entrySchema(partitionOfHourly))}
	manifestSchema = avro.MustParse(listSchema)
)

func entrySchema(partition string) string {
	optional := func(id int, name, of string) string {
		return fmt.Sprintf(`{"name":"%s","type":["null",%s],"default":null,"field-id":%d}`, name, of, id)
	}
	required := func(id int, name, of string) string {
		return fmt.Sprintf(`{"name":"%s","type":%s,"field-id":%d}`, name, of, id)
	}
	file := `{"type":"record","name":"r2","fields":[` +
		required(134, "content", `"int"`) + "," + required(100, "file_path", `"string"`) + "," + required(101, "file_format", `"string"`) + "," +
		required(102, "partition", `{"type":"record","name":"r102","fields":[`+partition+`]}`) + "," +
		required(103, "record_count", `"long"`) + "," + required(104, "file_size_in_bytes", `"long"`) + "," +
		optional(109, "value_counts", fmt.Sprintf(mapOf, 119, 120, "long")) + "," +
		optional(110, "null_value_counts", fmt.Sprintf(mapOf, 121, 122, "long")) + "," +
		optional(125, "lower_bounds", fmt.Sprintf(mapOf, 126, 127, "bytes")) + "," +
		optional(128, "upper_bounds", fmt.Sprintf(mapOf, 129, 130, "bytes")) + "," +
		optional(132, "split_offsets", `{"type":"array","items":"long","element-id":133}`) + "," +
		optional(140, "sort_order_id", `"int"`) + `]}`
	return `{"type":"record","name":"manifest_entry","fields":[` +
		required(0, "status", `"int"`) + "," + optional(1, "snapshot_id", `"long"`) + "," + optional(3, "sequence_number", `"long"`) + "," +
		optional(4, "file_sequence_number", `"long"`) + "," + required(2, "data_file", file) + `]}`
}

const listSchema = `{"type":"record","name":"manifest_file","fields":[
{"name":"manifest_path","type":"string","field-id":500},
{"name":"manifest_length","type":"long","field-id":501},
{"name":"partition_spec_id","type":"int","field-id":502},
{"name":"content","type":"int","field-id":517},
{"name":"sequence_number","type":"long","field-id":515},
{"name":"min_sequence_number","type":"long","field-id":516},
{"name":"added_snapshot_id","type":"long","field-id":503},
{"name":"added_files_count","type":"int","field-id":504},
{"name":"existing_files_count","type":"int","field-id":505},
{"name":"deleted_files_count","type":"int","field-id":506},
{"name":"added_rows_count","type":"long","field-id":512},
{"name":"existing_rows_count","type":"long","field-id":513},
{"name":"deleted_rows_count","type":"long","field-id":514},
{"name":"partitions","type":["null",{"type":"array","items":{"type":"record","name":"r508","fields":[
{"name":"contains_null","type":"boolean","field-id":509},
{"name":"contains_nan","type":["null","boolean"],"default":null,"field-id":518},
{"name":"lower_bound","type":["null","bytes"],"default":null,"field-id":510},
{"name":"upper_bound","type":["null","bytes"],"default":null,"field-id":511}]},"element-id":508}],"default":null,"field-id":507}]}`

// encodeManifest returns the bytes of a manifest whose entries are all of one spec, and what a list says of it. Its path and sequence number
// are for the caller to fill in.
func encodeManifest(entries []Entry, specID int, schema Schema) (content []byte, m Manifest, err error) {
	schemaText, err := json.Marshal(schema)
	if err != nil {
		return nil, m, err
	}
	specText, err := json.Marshal(specs()[specID].Fields)
	if err != nil {
		return nil, m, err
	}
	content, err = encode(entrySchemas[specID], entries, map[string][]byte{
		"schema": schemaText, "schema-id": []byte(strconv.Itoa(schema.ID)), "partition-spec": specText, "partition-spec-id": []byte(strconv.Itoa(specID)),
		"format-version": []byte(strconv.Itoa(formatVersion)), "content": []byte("data"),
	})
	m = Manifest{SpecID: int32(specID), Length: int64(len(content)), MinSequence: -1}
	for _, e := range entries {
		switch e.Status {
		case added:
			m.Added++
			m.AddedRows += e.File.Rows
		case existing:
			m.Existing++
			m.ExistingRows += e.File.Rows
		default:
			m.Deleted++
			m.DeletedRows += e.File.Rows
			continue
		}
		if e.Sequence != nil && (m.MinSequence < 0 || *e.Sequence < m.MinSequence) {
			m.MinSequence = *e.Sequence
		}
	}
	m.Partitions = summaries(entries, specID)
	return content, m, err
}

func summaries(entries []Entry, specID int) []Summary {
	if specID == unpartitioned {
		return []Summary{}
	}
	hours, tenants := &Summary{}, &Summary{}
	for i, e := range entries {
		p := e.File.Partition
		hour, tenant := binary.LittleEndian.AppendUint32(nil, uint32(*p.Hour)), []byte(*p.Tenant)
		if i == 0 {
			hours.Lower, hours.Upper, tenants.Lower, tenants.Upper = hour, hour, tenant, tenant
			continue
		}
		of := func(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) }
		if *p.Hour < of(hours.Lower) {
			hours.Lower = hour
		}
		if *p.Hour > of(hours.Upper) {
			hours.Upper = hour
		}
		if bytes.Compare(tenant, tenants.Lower) < 0 {
			tenants.Lower = tenant
		}
		if bytes.Compare(tenant, tenants.Upper) > 0 {
			tenants.Upper = tenant
		}
	}
	return []Summary{*hours, *tenants}
}

// decodeManifest returns the entries of a manifest that encodeManifest has made. Those that inherit from the list have what they inherit.
func decodeManifest(content []byte, m Manifest) ([]Entry, error) {
	entries, err := decode[Entry](content, entrySchemas[m.SpecID])
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", m.Path, err)
	}
	for i := range entries {
		e := &entries[i]
		if e.SnapshotID == nil {
			e.SnapshotID = &m.SnapshotID
		}
		if e.Status == added && e.Sequence == nil {
			e.Sequence = &m.Sequence
		}
		if e.Status == added && e.FileSequence == nil {
			e.FileSequence = &m.Sequence
		}
	}
	return entries, nil
}

func encodeList(manifests []Manifest, snapshotID int64, parent *int64, sequence int64) ([]byte, error) {
	parentText := "null"
	if parent != nil {
		parentText = strconv.FormatInt(*parent, 10)
	}
	return encode(manifestSchema, manifests, map[string][]byte{
		"snapshot-id": []byte(strconv.FormatInt(snapshotID, 10)), "parent-snapshot-id": []byte(parentText),
		"sequence-number": []byte(strconv.FormatInt(sequence, 10)), "format-version": []byte(strconv.Itoa(formatVersion)),
	})
}

func decodeList(content []byte) ([]Manifest, error) {
	manifests, err := decode[Manifest](content, manifestSchema)
	if err != nil {
		return nil, fmt.Errorf("manifest list: %w", err)
	}
	if i := slices.IndexFunc(manifests, func(m Manifest) bool { return m.SpecID != unpartitioned && m.SpecID != hourly || m.Content != 0 }); i >= 0 {
		return nil, fmt.Errorf("manifest list: %s is not one of ours: spec %d, content %d", manifests[i].Path, manifests[i].SpecID, manifests[i].Content)
	}
	return manifests, nil
}

// blockRows is how many entries share a compressed block.
const blockRows = 512

func encode[T any](schema *avro.Schema, all []T, metadata map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := ocf.NewWriter(&b, schema, ocf.WithCodec(ocf.DeflateCodec(-1)), ocf.WithMetadata(metadata), ocf.WithBlockCount(blockRows))
	if err != nil {
		return nil, err
	}
	for i := range all {
		if err := w.Encode(&all[i]); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	if err := w.Close(); err != nil { // it writes the last block
		return nil, err
	}
	return b.Bytes(), nil
}

func decode[T any](content []byte, schema *avro.Schema) (all []T, err error) {
	r, err := ocf.NewReader(bytes.NewReader(content), ocf.WithReaderSchema(schema), ocf.WithMaxDecompressedBlockBytes(maxManifest))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		var v T
		if err := r.Decode(&v); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
}
