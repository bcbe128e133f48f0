package commitlog

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

// Names in a partition's directory. A segment contains batches only, as Kafka writes them; its name is its first offset.
const (
	segmentSuffix = ".dat"
	sealSuffix    = ".seal"
	tailName      = "tail"
	metaName      = "partition.meta"
	temporary     = ".tmp"
)

// sealMagic begins a seal: magic and version, then length (4) and checksum (4) of the facts, the facts, and the entries.
const (
	sealMagic    = "pnsksl01"
	sealHeader   = len(sealMagic) + 8
	maxSealBytes = 256 << 20
)

// segment is one file of a partition's log.
type segment struct {
	base    int64
	next    int64 // offset after its last batch; for the last segment, the log's end
	size    int64 // bytes
	maxTime int64 // milliseconds since 1970; 0: it has no batch
	written int64 // time of the last write, milliseconds since 1970
	index   []entry
	loaded  bool // whether index is loaded
	used    int64
}

// facts are what a start must know of a full segment.
type facts struct {
	Base      int64               `json:"base"`
	Next      int64               `json:"next"`
	Size      int64               `json:"size"`
	MaxTime   int64               `json:"max_time"`
	Written   int64               `json:"written"`
	Aborted   []Aborted           `json:"aborted,omitempty"` // transactions whose marker is in it
	Open      []Open              `json:"open,omitempty"`    // open at its end
	Producers map[int64]*producer `json:"producers,omitempty"`
}

func segmentName(base int64) string { return strconv.FormatInt(base, 10) + segmentSuffix }
func sealName(base int64) string    { return strconv.FormatInt(base, 10) + sealSuffix }

// bases lists the first offsets of the files with a suffix, in order, and removes files that a crash left incomplete.
func bases(fsys disk.FS, directory, suffix string) ([]int64, error) {
	list, err := fsys.ReadDirectory(directory)
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, e := range list {
		if strings.HasSuffix(e.Name, temporary) {
			if err := fsys.Remove(filepath.Join(directory, e.Name)); err != nil {
				return nil, err
			}
		}
		if name, ok := strings.CutSuffix(e.Name, suffix); ok && !e.Directory {
			if base, err := strconv.ParseInt(name, 10, 64); err == nil && base >= 0 && segmentName(base) == name+segmentSuffix {
				out = append(out, base)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// writeSeal writes the seal of a segment. The caller syncs the directory.
func writeSeal(fsys disk.FS, directory string, f facts, index []entry) error {
	body, err := json.Marshal(f)
	if err != nil {
		return err
	}
	raw := make([]byte, 0, sealHeader+len(body)+entryBytes*len(index))
	raw = append(raw, sealMagic...)
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(body)))
	raw = binary.BigEndian.AppendUint32(raw, crc32.Checksum(body, castagnoli))
	raw = append(raw, body...)
	for _, e := range index {
		raw = e.appendTo(raw, f.Base)
	}
	if err := disk.ReplaceFile(fsys, filepath.Join(directory, sealName(f.Base)), raw); err != nil {
		return fmt.Errorf("seal segment %d: %w", f.Base, err)
	}
	return nil
}

var errSeal = errors.New("missing or damaged seal")

// readFacts reads a seal without its entries. It returns errSeal if there is no valid one.
func readFacts(fsys disk.FS, directory string, base int64) (facts, error) {
	f, err := fsys.Open(filepath.Join(directory, sealName(base)), false)
	if err != nil {
		return facts{}, fmt.Errorf("%w: %w", errSeal, err)
	}
	defer f.Close()
	raw := make([]byte, 4096)
	n, err := f.ReadAt(raw, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return facts{}, fmt.Errorf("%w: %w", errSeal, err)
	}
	raw = raw[:n]
	if len(raw) < sealHeader || !bytes.HasPrefix(raw, []byte(sealMagic)) {
		return facts{}, errSeal
	}
	length, sum := int64(binary.BigEndian.Uint32(raw[len(sealMagic):])), binary.BigEndian.Uint32(raw[len(sealMagic)+4:])
	size, err := f.Size()
	if err != nil || int64(sealHeader)+length > size {
		return facts{}, errSeal
	}
	if more := sealHeader + int(length) - len(raw); more > 0 {
		rest := make([]byte, more)
		if _, err := f.ReadAt(rest, int64(len(raw))); err != nil {
			return facts{}, fmt.Errorf("%w: %w", errSeal, err)
		}
		raw = append(raw, rest...)
	}
	body := raw[sealHeader : sealHeader+int(length)]
	var out facts
	if crc32.Checksum(body, castagnoli) != sum || json.Unmarshal(body, &out) != nil || out.Base != base || out.Next < base {
		return facts{}, errSeal
	}
	return out, nil
}

// readIndex reads the valid entries of a seal.
func readIndex(fsys disk.FS, directory string, base int64) ([]entry, error) {
	raw, err := disk.ReadFile(fsys, filepath.Join(directory, sealName(base)), maxSealBytes)
	if err != nil {
		return nil, err
	}
	if len(raw) < sealHeader || !bytes.HasPrefix(raw, []byte(sealMagic)) {
		return nil, errSeal
	}
	at := int64(sealHeader) + int64(binary.BigEndian.Uint32(raw[len(sealMagic):]))
	if at > int64(len(raw)) {
		return nil, errSeal
	}
	all, _ := decodeEntries(raw[at:])
	return all[base], nil
}

// readMeta reads the partition's metadata file. It returns errMeta if there is no valid one.
func readMeta(fsys disk.FS, directory string) (meta, error) {
	raw, err := disk.ReadFile(fsys, filepath.Join(directory, metaName), 1<<20)
	if err != nil {
		return meta{}, fmt.Errorf("%w: %w", errMeta, err)
	}
	var m meta
	if err := Unwrap(raw, &m); err != nil {
		return meta{}, fmt.Errorf("%w: %w", errMeta, err)
	}
	return m, nil
}

var errMeta = errors.New("missing or damaged " + metaName)

// meta is the partition's metadata file.
type meta struct {
	Label    json.RawMessage `json:"label,omitempty"` // the owner's
	Start    int64           `json:"start"`           // first offset that may be read
	Reserved int64           `json:"reserved"`        // every offset that was ever given to a record is smaller
	Closed   int64           `json:"closed"`          // end of the log when it was closed; -1 while it is open
	Epochs   []epochStart    `json:"epochs"`          // never empty
	Gaps     []Finding       `json:"gaps,omitempty"`  // the latest known ones
}

type epochStart struct {
	Epoch int32 `json:"epoch"`
	Start int64 `json:"start"`
}

const wrapPrefix = "penstock 1 "

// Wrap encodes v with a checksum in front.
func Wrap(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append(fmt.Appendf(nil, "%s%08x\n", wrapPrefix, crc32.Checksum(body, castagnoli)), body...), nil
}

// Unwrap decodes the result of [Wrap].
func Unwrap(raw []byte, v any) error {
	head, body, ok := bytes.Cut(raw, []byte("\n"))
	if !ok || string(head) != fmt.Sprintf("%s%08x", wrapPrefix, crc32.Checksum(body, castagnoli)) {
		return errors.New("the checksum does not match")
	}
	return json.Unmarshal(body, v)
}

// ReadLabel decodes the owner's data of the partition in a directory without opening it; ok is false if there is no valid one.
func ReadLabel(fsys disk.FS, directory string, v any) (ok bool, err error) {
	m, err := readMeta(fsys, directory)
	if err != nil {
		return false, err
	}
	return m.Label != nil && json.Unmarshal(m.Label, v) == nil, nil
}

// Adopt writes the metadata file for segments that another program has written; an existing file stays.
func Adopt(fsys disk.FS, directory string, label any, start int64) error {
	body, err := json.Marshal(label)
	if err != nil {
		return err
	}
	raw, err := Wrap(meta{Label: body, Start: start, Closed: -1, Epochs: []epochStart{{}}})
	if err != nil {
		return err
	}
	return disk.WriteFile(fsys, filepath.Join(directory, metaName), raw)
}
