package database

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

const (
	deletionMark = "deletion_mark.json"
	headChunks   = "chunks_head"
)

// deletion is the state of the last deletion. A start without it would restore deleted samples: head chunks and logs still hold samples that had
// become blocks, and the storage derives only from the remaining blocks how much of that to skip.
type deletion struct {
	// ChunkFile is the last of the head's chunk files at that time. All out-of-order chunks in it and in earlier files are in blocks.
	ChunkFile int `json:"chunk_file"`
	// Floor is the time at which the head began: since then nothing older arrived in order. Milliseconds since 1970.
	Floor int64 `json:"floor"`
}

// readDeletion returns the zero value if nothing was deleted.
func readDeletion(dir string) (d deletion, err error) {
	text, err := os.ReadFile(filepath.Join(dir, deletionMark))
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		return d, fmt.Errorf("read the mark of a deletion: %w", err)
	}
	return d, nil
}

func (d deletion) write(dir string) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	temporary := filepath.Join(dir, deletionMark+".tmp")
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(temporary, filepath.Join(dir, deletionMark))
	}
	if err != nil {
		return fmt.Errorf("mark a deletion: %w", err)
	}
	return nil
}

// markDeletion must be called when everything that may be deleted is in blocks, and before it is deleted.
func markDeletion(dir string, floor int64) error {
	files, err := chunkFiles(dir)
	if err != nil {
		return err
	}
	before, err := readDeletion(dir)
	if err != nil {
		return err
	}
	d := deletion{ChunkFile: before.ChunkFile, Floor: max(before.Floor, floor)}
	for n := range files {
		d.ChunkFile = max(d.ChunkFile, n)
	}
	return d.write(dir)
}

// forgetDeleted must be called before the database is opened: it removes the head's chunk files while one from before the deletion is left. The
// logs hold everything that is not in blocks, and rebuild the chunk files. After a crash in the middle, a second call completes the work. It
// returns the floor, to which the head must then be truncated.
func forgetDeleted(dir string) (floor int64, err error) {
	d, err := readDeletion(dir)
	if err != nil || d.ChunkFile == 0 {
		return d.Floor, err
	}
	files, err := chunkFiles(dir)
	if err != nil {
		return 0, err
	}
	numbers := slices.Sorted(maps.Keys(files))
	if len(numbers) > 0 && numbers[0] <= d.ChunkFile {
		for _, n := range slices.Backward(numbers) { // The oldest file is removed last: it marks unfinished work.
			if err := os.Remove(files[n]); err != nil {
				return 0, fmt.Errorf("remove deleted chunks: %w", err)
			}
		}
	}
	d.ChunkFile = 0
	return d.Floor, d.write(dir)
}

// chunkFiles returns the head's chunk files by number, from 1 on.
func chunkFiles(dir string) (map[int]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, headChunks))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the head's chunk files: %w", err)
	}
	files := map[int]string{}
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			files[n] = filepath.Join(dir, headChunks, e.Name())
		}
	}
	return files, nil
}
