package apikeyauthextension

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/durable"
	"github.com/penstockhq/penstock/internal/keyfile"
)

const (
	interval = time.Second // between two checks of the file
	maxFile  = 16 << 20    // bytes
)

// keys are the keys of the last valid version of a file. Reading them takes no lock.
type keys struct {
	path, tokenPath string
	log             *zap.Logger
	failed          func()

	set   atomic.Pointer[keyfile.Set]
	token atomic.Pointer[token]
	seen  [sha256.Size]byte // hash of the last checked content; used by the watching goroutine only
	once  sync.Once
	end   chan struct{} // nil before start
	wg    sync.WaitGroup
}

// start reads the file, and then watches it.
func (k *keys) start() error {
	content, err := durable.ReadFile(k.path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file %q: `penstock keys new --file %s` creates it with its first key (PENSTOCK_KEYS_FILE in the profiles names it)", k.path, k.path)
	}
	if err != nil {
		return err
	}
	if err := k.use(content); err != nil {
		return err
	}
	k.readToken()
	k.end = make(chan struct{})
	k.wg.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-k.end:
				return
			case <-tick.C:
				k.look()
			}
		}
	})
	return nil
}

func (k *keys) stop() {
	if k.end != nil {
		k.once.Do(func() { close(k.end) })
		k.wg.Wait()
	}
}

// errEmpty is an error if there are keys already: a file that is written in place is empty for a moment, and that must not refuse any client.
// `penstock keys revoke` leaves an empty list after the last key.
var errEmpty = errors.New("it is empty: another process may be writing it")

// use activates the keys of a valid file.
func (k *keys) use(content []byte) error {
	k.seen = sha256.Sum256(content)
	if len(bytes.TrimSpace(content)) == 0 && k.set.Load().Len() > 0 {
		return fmt.Errorf("%q: %w", k.path, errEmpty)
	}
	f, err := keyfile.Parse(content)
	if err != nil {
		return fmt.Errorf("%q: %w", k.path, err)
	}
	k.set.Store(f.Set())
	return nil
}

// look reads the file again. It compares the content, not the time, so that two edits within one tick of the file system's clock count.
func (k *keys) look() {
	k.readToken()
	content, err := durable.ReadFile(k.path, maxFile)
	if err != nil {
		content = []byte(err.Error()) // log it once
	}
	if sha256.Sum256(content) == k.seen {
		return
	}
	if err == nil {
		err = k.use(content)
	} else {
		k.seen = sha256.Sum256(content)
	}
	if err != nil {
		k.failed()
		k.log.Error("The API keys could not be reloaded: the previous keys stay in use", zap.Error(err))
		return
	}
	k.log.Info("API keys reloaded", zap.String("file", k.path), zap.Int("keys", k.set.Load().Len()))
}

// adminToken is the token that is admitted besides the keys. Until admin has created it, each request looks for it.
func (k *keys) adminToken() *token {
	if !k.token.Load().set {
		k.readToken()
	}
	return k.token.Load()
}

func (k *keys) readToken() {
	if k.tokenPath == "" {
		return
	}
	content, err := os.ReadFile(k.tokenPath)
	text := strings.TrimSpace(string(content))
	if err != nil || len(text) < 32 { // admin writes 64 digits, and accepts 32 or more
		k.token.Store(&token{})
		return
	}
	k.token.Store(&token{sha256.Sum256([]byte(text)), true})
}

// token is a secret, stored as its hash. The zero value allows nothing.
type token struct {
	hash [sha256.Size]byte
	set  bool
}

// Allows compares in a time that does not depend on the secret.
func (t *token) Allows(given string) bool {
	hash := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(hash[:], t.hash[:]) == 1 && t.set
}
