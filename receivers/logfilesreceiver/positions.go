package logfilesreceiver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/penstockhq/penstock/internal/protofield"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver/internal/tail"
)

func storageClient(ctx context.Context, host component.Host, id *component.ID, own component.ID) (storage.Client, error) {
	if id == nil {
		return storage.NewNopClient(), nil
	}
	ext, ok := host.GetExtensions()[*id].(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("storage: %q is not a storage extension of this configuration", id)
	}
	return ext.GetClient(ctx, component.KindReceiver, own, "")
}

func loadPositions(ctx context.Context, client storage.Client) (all []tail.Position, err error) {
	keys := tail.ShardKeys()
	ops := make([]*storage.Operation, len(keys))
	for i, key := range keys {
		ops[i] = storage.GetOperation(key)
	}
	if err := client.Batch(ctx, ops...); err != nil {
		return nil, err
	}
	for i, op := range ops {
		positions, err := tail.DecodeShard(op.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", keys[i], err)
		}
		all = append(all, positions...)
	}
	return all, nil
}

// save writes the positions that changed.
func (r *logFiles) save(ctx context.Context) error {
	changed, err := r.files.Changed()
	if err != nil || len(changed) == 0 {
		return err
	}
	ops := make([]*storage.Operation, 0, len(changed))
	for key, text := range changed {
		ops = append(ops, storage.SetOperation(key, text))
	}
	if err := r.client.Batch(ctx, ops...); err != nil {
		return err
	}
	r.files.Saved()
	return nil
}

// loadLegacy reads the positions that contrib's file_log left in the same storage, under the same name.
func loadLegacy(ctx context.Context, host component.Host, storageID component.ID, own component.ID) (all []tail.Legacy, err error) {
	client, err := storageClient(ctx, host, &storageID, component.MustNewIDWithName("filelog", own.Name()))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close(ctx)) }()
	text, err := client.Get(ctx, "file_input.knownFiles")
	if err != nil || len(text) == 0 {
		return nil, err
	}
	if text[0] == protobufTag {
		return legacyProtobuf(text)
	}
	return legacyJSON(text)
}

// protobufTag begins a list of file_log's positions in Protocol Buffers, as v0.159 writes them; a number begins them in JSON.
const protobufTag = 1<<3 | 2

// legacyProtobuf reads MetadataList{1: Metadata{1: Fingerprint{1: first_bytes}, 2: offset, 4: file_attributes as JSON}}.
func legacyProtobuf(list []byte) (all []tail.Legacy, err error) {
	err = protofield.Each(list, func(number protowire.Number, metadata []byte, _ uint64) error {
		if number != 1 {
			return nil
		}
		var old tail.Legacy
		err := protofield.Each(metadata, func(number protowire.Number, value []byte, n uint64) error {
			switch number {
			case 1:
				return protofield.Each(value, func(number protowire.Number, first []byte, _ uint64) error {
					if number == 1 {
						old.FirstBytes = first
					}
					return nil
				})
			case 2:
				old.Offset = int64(n)
			case 4:
				var attributes map[string]any
				if err := json.Unmarshal(value, &attributes); err != nil {
					return err
				}
				old.Path, _ = attributes["log.file.path"].(string)
			}
			return nil
		})
		all = append(all, old)
		return err
	})
	return all, err
}

func legacyJSON(text []byte) (all []tail.Legacy, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	var count int
	if err := decoder.Decode(&count); err != nil {
		return nil, fmt.Errorf("number of files: %w", err)
	}
	for {
		var old struct {
			Fingerprint struct {
				FirstBytes []byte `json:"first_bytes"`
			}
			Offset         int64
			FileAttributes map[string]any
		}
		if err := decoder.Decode(&old); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return all, err
		}
		path, _ := old.FileAttributes["log.file.path"].(string)
		all = append(all, tail.Legacy{FirstBytes: old.Fingerprint.FirstBytes, Path: path, Offset: old.Offset})
	}
}
