package queuestorageextension

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// ReplaceFiles replaces file_storage by files, so that a test can make it fail, and makes reads retry without a pause: the queue reads under a
// lock, and a bubble's clock stops while others wait for it. ext must not be started.
func ReplaceFiles(ext extension.Extension, files storage.Extension) {
	ext.(*queueStorage).firstWait = 0
	ext.(*queueStorage).open = func(context.Context) (storage.Extension, error) { return files, nil }
}

// Path is where ext looks for the file of a component.
func Path(ext extension.Extension, kind component.Kind, id component.ID, name string) string {
	return ext.(*queueStorage).path(owner{kind, id, name})
}
