package database

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Out-of-order chunks that were written to blocks stay in the head's chunk files, and a restart reads them again. That
// does no harm, but after a deletion they would bring back what was deleted. So a deletion leaves a mark with the last
// chunk file of its time; while such a file is still there, the next start removes the chunk files, and the logs, which
// hold everything that is not in blocks, make them anew.
const (
	deletionMark = "deletion_mark"
	headChunks   = "chunks_head"
)

// markDeletion must be called after out-of-order samples were written to blocks, and before anything is deleted.
func markDeletion(dir string) error {
	files, err := chunkFiles(dir)
	if err != nil || len(files) == 0 {
		return err
	}
	last := slices.Max(slices.Collect(maps.Keys(files)))
	temporary := filepath.Join(dir, deletionMark+".tmp")
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("mark the deletion: %w", err)
	}
	_, err = f.WriteString(strconv.Itoa(last))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(temporary, filepath.Join(dir, deletionMark))
	}
	if err != nil {
		return fmt.Errorf("mark the deletion: %w", err)
	}
	return nil
}

// forgetDeleted must be called before the database is opened. Repeated after a crash in the middle it does the rest.
func forgetDeleted(dir string) error {
	mark := filepath.Join(dir, deletionMark)
	text, err := os.ReadFile(mark)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the mark of a deletion: %w", err)
	}
	last, err := strconv.Atoi(string(text))
	if err != nil {
		return fmt.Errorf("mark of a deletion %s: %w", mark, err)
	}
	files, err := chunkFiles(dir)
	if err != nil {
		return err
	}
	numbers := slices.Sorted(maps.Keys(files))
	if len(numbers) > 0 && numbers[0] <= last {
		for _, n := range slices.Backward(numbers) { // The oldest goes last: until then this is not done.
			if err := os.Remove(files[n]); err != nil {
				return fmt.Errorf("remove deleted chunks: %w", err)
			}
		}
	}
	if err := os.Remove(mark); err != nil {
		return fmt.Errorf("remove the mark of a deletion: %w", err)
	}
	return nil
}

// chunkFiles returns the head's chunk files by number.
func chunkFiles(dir string) (map[int]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, headChunks))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
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
