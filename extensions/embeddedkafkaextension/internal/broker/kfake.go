package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/commitlog"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/disk"
	"github.com/penstockhq/penstock/extensions/embeddedkafkaextension/internal/ledger"
)

// Files that versions up to 0.3 wrote with franz-go's kfake. Its segments have the same names and content as ours.
const (
	kfakeTopics   = "topics.json"
	kfakeGroups   = "groups.log"
	kfakePIDs     = "pids.log"
	kfakeSnapshot = "snapshot.json"
	maxKfakeFile  = 512 << 20
	newSuffix     = ".new"
)

// kfakeFiles are removed once the ledger has all of their content.
var kfakeFiles = []string{kfakeTopics, kfakeGroups, kfakePIDs, "meta.json", "acls.json", "broker_configs.json", "quotas.json", "sasl.json",
	"seq_windows.json", "session_state.json", "closed-cleanly"}

// adoptKfake converts a directory of an earlier version: topics, the offsets of groups, and transactional ids. After a crash the conversion can be
// repeated; the segments stay unchanged.
func (b *Broker) adoptKfake() error {
	place := filepath.Join(b.set.Directory, ledgerDirectory)
	if err := b.removeIfThere(place + newSuffix); err != nil {
		return err
	}
	_, err := b.set.FS.ReadDirectory(place)
	if err == nil {
		return b.removeKfake() // These files are left over from an interrupted conversion.
	}
	raw, err := disk.ReadFile(b.set.FS, filepath.Join(b.set.Directory, kfakeTopics), maxKfakeFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var all struct {
		Topics []struct {
			Name       string            `json:"name"`
			ID         []byte            `json:"id"`
			Partitions int32             `json:"partitions"`
			Configs    map[string]string `json:"configs"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		b.found(commitlog.Finding{Kind: commitlog.Rebuilt, File: filepath.Join(b.set.Directory, kfakeTopics), Done: "topics are restored from their partitions"})
		return nil
	}
	var changes []ledger.Change
	for _, k := range all.Topics {
		t := ledger.Topic{Name: k.Name, ID: newID(), Partitions: k.Partitions, Configs: k.Configs}
		if len(k.ID) == len(t.ID) {
			t.ID = [16]byte(k.ID)
		}
		if !validTopic(t.Name) || t.Partitions < 1 || t.Partitions > maxPartitions {
			continue
		}
		for i := range t.Partitions {
			if err := b.adoptPartition(t, i); err != nil {
				return err
			}
		}
		changes = append(changes, ledger.Change{Topic: &t})
	}
	committed, err := b.kfakeCommits()
	if err != nil {
		return err
	}
	ids, err := b.kfakeTransactions()
	if err != nil {
		return err
	}
	changes = slices.Concat(changes, committed, ids)
	l, _, err := ledger.Open(commitlog.Settings{FS: b.set.FS, Directory: place + newSuffix, Now: time.Now})
	if err != nil {
		return err
	}
	if len(changes) > 0 {
		err = l.Write(changes...)
	}
	if err = errors.Join(err, l.Close()); err != nil {
		return err
	}
	if err := b.set.FS.Rename(place+newSuffix, place); err != nil {
		return err
	}
	if err := b.set.FS.SyncDirectory(b.set.Directory); err != nil {
		return err
	}
	b.found(commitlog.Finding{Kind: commitlog.Rebuilt, File: b.set.Directory,
		Done: fmt.Sprintf("an earlier version wrote it; it was converted: %d topics with all their records", len(all.Topics))})
	return b.removeKfake()
}

func (b *Broker) removeIfThere(directory string) error {
	if _, err := b.set.FS.ReadDirectory(directory); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return b.removeDirectory(directory)
}

// adoptPartition writes the metadata that the partition's log needs besides its segments: its start.
func (b *Broker) adoptPartition(t ledger.Topic, index int32) error {
	directory := b.partitionDirectory(t.Name, index)
	entries, err := b.set.FS.ReadDirectory(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // The partition never had a record.
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(entries, func(e disk.Entry) bool { return strings.HasSuffix(e.Name, ".dat") }) {
		return nil
	}
	start := int64(-1)
	if raw, err := disk.ReadFile(b.set.FS, filepath.Join(directory, kfakeSnapshot), maxKfakeFile); err == nil {
		snapshot := struct {
			Start int64 `json:"log_start_offset"`
		}{-1}
		if json.Unmarshal(raw, &snapshot) == nil {
			start = snapshot.Start
		}
	}
	return commitlog.Adopt(b.set.FS, directory, label{t, index}, start)
}

// removeKfake removes the old files.
func (b *Broker) removeKfake() error {
	remove := func(name string) error {
		err := b.set.FS.Remove(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	for _, name := range kfakeFiles {
		if err := remove(filepath.Join(b.set.Directory, name)); err != nil {
			return err
		}
	}
	root := filepath.Join(b.set.Directory, partitionsName)
	partitions, err := b.set.FS.ReadDirectory(root)
	if err != nil {
		return err
	}
	for _, p := range partitions {
		if !p.Directory {
			continue
		}
		files, err := b.set.FS.ReadDirectory(filepath.Join(root, p.Name))
		if err != nil {
			return err
		}
		for _, f := range files {
			if strings.HasSuffix(f.Name, ".idx") || f.Name == kfakeSnapshot {
				if err := remove(filepath.Join(root, p.Name, f.Name)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// kfakeEntries returns the entries of one of kfake's logs, up to the first incomplete one: length (4), checksum (4), version (2), JSON; little
// endian.
func (b *Broker) kfakeEntries(name string) (out [][]byte, err error) {
	raw, err := disk.ReadFile(b.set.FS, filepath.Join(b.set.Directory, name), maxKfakeFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	const header = 8
	for len(raw) >= header {
		length := int(binary.LittleEndian.Uint32(raw))
		if length < 2 || length > len(raw)-header || crc32.Checksum(raw[header:header+length], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(raw[4:]) {
			break
		}
		out = append(out, raw[header+2:header+length])
		raw = raw[header+length:]
	}
	return out, err
}

// kfakeCommits returns the committed offsets of groups.
func (b *Broker) kfakeCommits() (changes []ledger.Change, err error) {
	entries, err := b.kfakeEntries(kfakeGroups)
	if err != nil {
		return nil, err
	}
	for _, raw := range entries {
		var e struct {
			Type     string  `json:"type"`
			Group    string  `json:"g"`
			Topic    string  `json:"t"`
			Part     int32   `json:"p"`
			Offset   int64   `json:"o"`
			Epoch    int32   `json:"e"`
			Metadata *string `json:"m"`
		}
		if json.Unmarshal(raw, &e) != nil || e.Group == "" {
			continue
		}
		p := ledger.Partition{Topic: e.Topic, Index: e.Part}
		switch {
		case e.Type == "commit":
			changes = append(changes, ledger.Change{Group: e.Group, Offsets: []ledger.Offset{{Partition: p, Offset: e.Offset, Epoch: e.Epoch, Metadata: e.Metadata}}})
		case e.Type == "delete" && e.Topic != "":
			changes = append(changes, ledger.Change{Group: e.Group, Forget: []ledger.Partition{p}})
		}
	}
	return changes, nil
}

// kfakeTransactions returns the latest epoch of each transactional id.
func (b *Broker) kfakeTransactions() (changes []ledger.Change, err error) {
	entries, err := b.kfakeEntries(kfakePIDs)
	if err != nil {
		return nil, err
	}
	for _, raw := range entries {
		var e struct {
			Type    string `json:"type"`
			PID     int64  `json:"pid"`
			Epoch   int16  `json:"epoch"`
			TxID    string `json:"txid"`
			Timeout int32  `json:"timeout"`
		}
		if json.Unmarshal(raw, &e) == nil && e.Type == "init" && e.TxID != "" {
			changes = append(changes, ledger.Change{Transaction: &ledger.Transaction{ID: e.TxID, Producer: e.PID, Epoch: e.Epoch, Timeout: e.Timeout}})
		}
	}
	return changes, nil
}
