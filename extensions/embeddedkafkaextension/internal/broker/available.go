package broker

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
)

// Available returns how many bytes the log in directory could use: the free bytes of its disk, plus the bytes that it already has. It creates the
// directory if it is missing.
func Available(directory string) (int64, error) {
	if err := (disk.OS{}).MakeDirectory(directory); err != nil {
		return 0, err
	}
	free, err := disk.OS{}.Free(directory)
	if err != nil {
		return 0, err
	}
	err = filepath.WalkDir(directory, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil {
			free += info.Size()
		}
		return err
	})
	return free, err
}
