package columnar

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

const (
	// maxDictionaryBytes ends dictionary encoding of a column for the rest of a row group, as Parquet writers do at 1 MiB.
	maxDictionaryBytes = 1 << 20
	sharedSlots        = 256
	// leastJudged is how many values of a column are seen before its encoding is decided.
	leastJudged = 512
)

// Text is a string or binary column. Unless it is Unique it has its own dictionary and buffers indices for the whole row group: the library's
// dictionary costs a hash, a comparison and an allocation per value, which is most of the time for attributes that repeat in every row.
type Text struct {
	leafInfo
	maxDef  int16 // definition level of a present value
	slotDef int16 // from this level on, a level has a slot in ids, even for null

	defs, reps []int16
	plain      bool
	repeating  bool    // known to have few values: the first ones do not decide
	values     []Bytes // plain: of the current chunk
	ids        []int32 // else: of the current row group
	words      dictionary
}

func (t *Text) info() *leafInfo { return &t.leafInfo }

// Put appends a value to a column of the root. v must not change until Pending is 0.
func (t *Text) Put(v Bytes) {
	if t.plain {
		t.values = append(t.values, v)
	} else {
		t.ids = append(t.ids, t.words.id(v))
	}
	if t.maxDef > 0 {
		t.defs = append(t.defs, t.maxDef)
	}
}

// PutShared is Put for a value that many rows share. v must not change until the File is closed.
func (t *Text) PutShared(v Bytes) {
	if t.plain {
		t.values = append(t.values, v)
	} else {
		t.ids = append(t.ids, t.words.sharedID(v))
	}
	if t.maxDef > 0 {
		t.defs = append(t.defs, t.maxDef)
	}
}

// Null appends a null to an optional column of the root.
func (t *Text) Null() {
	t.defs = append(t.defs, 0)
	if !t.plain {
		t.ids = append(t.ids, 0)
	}
}

// PutAt appends a value to a nested column; see Column.PutAt.
func (t *Text) PutAt(v Bytes, rep int16) {
	t.Put(v)
	t.reps = append(t.reps, rep)
}

// PutSharedAt is PutAt for a value that many rows share; see PutShared.
func (t *Text) PutSharedAt(v Bytes, rep int16) {
	t.PutShared(v)
	t.reps = append(t.reps, rep)
}

// MissingAt appends an absent value to a nested column; see Column.MissingAt.
func (t *Text) MissingAt(def, rep int16) {
	t.defs = append(t.defs, def)
	t.reps = append(t.reps, rep)
	if !t.plain && def >= t.slotDef {
		t.ids = append(t.ids, 0)
	}
}

// NullAt appends a null value within a present list element or map entry.
func (t *Text) NullAt(rep int16) { t.MissingAt(t.maxDef-1, rep) }

func (t *Text) reset() {
	clear(t.values)
	t.values, t.ids = t.values[:0], t.ids[:0]
	t.defs, t.reps = t.defs[:0], t.reps[:0]
	t.words.reset()
	t.plain = t.flags&Unique != 0 && !t.repeating
}

// expectDistinct chooses the encoding for a new file.
func (t *Text) expectDistinct(s FileSettings) {
	t.repeating = t.flags&Unique != 0 && t.repeats(s)
	t.plain = t.flags&Unique != 0 && !t.repeating
}

// buffered is the memory held for the current row group.
func (t *Text) buffered() int {
	return 4*len(t.ids) + 2*len(t.defs) + 2*len(t.reps) + len(t.words.text)
}

// flush passes a chunk to a plain column; a column whose dictionary has grown too large becomes plain.
func (t *Text) flush(w columnWriter) error {
	if !t.plain {
		if len(t.words.text) <= maxDictionaryBytes && !t.diverse() {
			return nil
		}
		w.FallbackToPlain()
		t.expand()
		t.plain = true
	}
	return t.writeValues(w)
}

// expect allocates memory for the expected data at once: growing by doubling would copy and clear it repeatedly.
func (t *Text) expect(times float64) {
	if t.plain || times <= 0 {
		return
	}
	times *= 1.05
	t.ids = slices.Grow(t.ids, int(times*float64(len(t.ids))))
	t.defs = slices.Grow(t.defs, int(times*float64(len(t.defs))))
	t.reps = slices.Grow(t.reps, int(times*float64(len(t.reps))))
}

// diverse says that so many values are new that a dictionary costs more than it saves.
func (t *Text) diverse() bool {
	return !t.repeating && len(t.ids) >= leastJudged && t.words.len() > len(t.ids)/2
}

// expand replaces ids by values, which point into the dictionary.
func (t *Text) expand() {
	slot := 0
	present := func(def int16) {
		if def == t.maxDef {
			t.values = append(t.values, t.words.word(t.ids[slot]))
		}
		if def >= t.slotDef {
			slot++
		}
	}
	if t.maxDef == 0 {
		for range t.ids {
			present(0)
		}
	}
	for _, def := range t.defs {
		present(def)
	}
	t.ids = t.ids[:0]
}

func (t *Text) levels() (defs, reps []int16) {
	if t.maxDef > 0 {
		defs = t.defs
	}
	if t.nested {
		reps = t.reps
	}
	return defs, reps
}

func (t *Text) writeValues(w columnWriter) error {
	defs, reps := t.levels()
	_, err := w.(*file.ByteArrayColumnChunkWriter).WriteBatch(t.values, defs, reps)
	clear(t.values)
	t.values, t.defs, t.reps = t.values[:0], t.defs[:0], t.reps[:0]
	if err != nil {
		return fmt.Errorf("encode column %s: %w", t.path, err)
	}
	return nil
}

// finish writes the rest of the row group.
func (t *Text) finish(w columnWriter) error {
	defer t.reset()
	if t.plain || t.words.len() == 0 { // already flushed, or only nulls
		return t.writeValues(w)
	}
	if err := t.writeDictionary(w); err != nil {
		return fmt.Errorf("encode column %s: %w", t.path, err)
	}
	return nil
}

func (t *Text) writeDictionary(w columnWriter) error {
	enc := w.CurrentEncoder().(interface{ PutDictionary(arrow.Array) error })
	words := t.words.array()
	defer words.Release()
	if err := enc.PutDictionary(words); err != nil {
		return err
	}
	validity, nulls := t.validity()
	data := array.NewData(arrow.PrimitiveTypes.Int32, len(t.ids),
		[]*memory.Buffer{validity, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(t.ids))}, nil, nulls, 0)
	defer data.Release()
	ids := array.NewInt32Data(data)
	defer ids.Release()
	defs, reps := t.levels()
	if stats := w.PageStatistics(); stats != nil {
		stats.IncNulls(int64(max(len(t.defs)-len(t.ids), 0) + nulls))
		stats.IncNumValues(int64(len(t.ids) - nulls))
		if err := stats.UpdateFromArrow(words, false); err != nil {
			return err
		}
		if t.words.has("") { // the library leaves it out of the bounds
			stats.(*metadata.ByteArrayStatistics).SetMinMax(Bytes{}, Bytes{})
		}
	}
	return w.WriteDictIndices(ids, defs, reps)
}

// validity is the bitmap of the slots that hold a value, nil when all do.
func (t *Text) validity() (*memory.Buffer, int) {
	nulls := 0
	for _, def := range t.defs {
		if def >= t.slotDef && def < t.maxDef {
			nulls++
		}
	}
	if nulls == 0 {
		return nil, 0
	}
	bits := make([]byte, bitutil.BytesForBits(int64(len(t.ids))))
	slot := 0
	for _, def := range t.defs {
		if def < t.slotDef {
			continue
		}
		if def == t.maxDef {
			bitutil.SetBit(bits, slot)
		}
		slot++
	}
	return memory.NewBufferBytes(bits), nulls
}

// dictionary numbers distinct values in the order of their first appearance.
type dictionary struct {
	index   map[string]int32 // keys point into text, or into earlier memory of text
	text    []byte
	offsets []int32 // of the words in text, and its length
	shared  [sharedSlots]sharedWord

	// follow guesses the next word from the last one: the keys of attribute maps repeat in the same order in each row, and a comparison is cheaper
	// than a hash.
	follow []int32
	last   int32
}

// sharedWord remembers the number of the value at an address.
type sharedWord struct {
	data *byte
	len  int
	id   int32
}

func (d *dictionary) len() int { return max(0, len(d.offsets)-1) }

func (d *dictionary) word(id int32) Bytes {
	return d.text[d.offsets[id]:d.offsets[id+1]:d.offsets[id+1]]
}

func (d *dictionary) has(word string) bool {
	_, ok := d.index[word]
	return ok
}

func (d *dictionary) id(v Bytes) int32 {
	if len(d.follow) > 0 {
		if guess := d.follow[d.last]; string(d.word(guess)) == string(v) {
			d.last = guess
			return guess
		}
	}
	id, ok := d.index[string(v)]
	if !ok {
		id = d.add(v)
	}
	d.follow[d.last] = id
	d.last = id
	return id
}

// add numbers a new word.
func (d *dictionary) add(v Bytes) int32 {
	if d.index == nil {
		d.index = map[string]int32{}
	}
	if len(d.offsets) == 0 {
		d.offsets = append(d.offsets, 0)
	}
	id := int32(len(d.offsets) - 1)
	d.follow = append(d.follow, id)
	begin := len(d.text)
	d.text = append(d.text, v...)
	d.offsets = append(d.offsets, int32(len(d.text)))
	key := d.text[begin:]
	d.index[unsafe.String(unsafe.SliceData(key), len(key))] = id
	return id
}

// sharedID is id with a check of the address first. The address is only compared, never dereferenced.
func (d *dictionary) sharedID(v Bytes) int32 {
	p := unsafe.SliceData(v)
	s := &d.shared[uintptr(unsafe.Pointer(p))>>3%sharedSlots]
	if s.data == p && s.len == len(v) && p != nil {
		return s.id
	}
	id := d.id(v)
	*s = sharedWord{p, len(v), id}
	return id
}

func (d *dictionary) array() *array.Binary {
	data := array.NewData(arrow.BinaryTypes.Binary, d.len(), []*memory.Buffer{
		nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(d.offsets)), memory.NewBufferBytes(d.text),
	}, nil, 0, 0)
	defer data.Release()
	return array.NewBinaryData(data)
}

func (d *dictionary) reset() {
	clear(d.index)
	clear(d.shared[:])
	d.text, d.offsets = d.text[:0], d.offsets[:0]
	d.follow, d.last = d.follow[:0], 0
}
