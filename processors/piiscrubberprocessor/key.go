package piiscrubberprocessor

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/condition"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/localkey"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
)

const (
	// shareWait is how long the extension may take to answer at the start. Retries, each shareEvery after the last, wait twice as long as the one before, up to
	// shareMost: a broker that does not answer must not be the end of each.
	shareWait  = 3 * time.Second
	shareMost  = 30 * time.Second
	shareEvery = 2 * time.Second
	// conditionKey is the key of the component's bad status.
	conditionKey = "key"
)

// errNoKeyYet is not a permanent error: clients send the refused batches again.
var errNoKeyYet = errors.New("pii_scrubber: the key that the journal's gateways share is not known yet: Kafka did not answer")

// keySharer is implemented by key_extension.
type keySharer interface {
	// SharedKey returns the key that all collectors share. If there is none it offers own, and returns what was recorded first. With own
	// nil it only reads, and returns nil if there is none.
	SharedKey(ctx context.Context, own []byte) ([]byte, error)
}

// openKey uses the configured key, else the one of key_extension, else the one of key_file. Guarded by mu.
func (s *scrubber) openKey(ctx context.Context, host component.Host) error {
	sharer, err := s.sharer(host)
	if err != nil {
		return err
	}
	switch {
	case s.scrub.Keys != nil:
		if sharer != nil {
			s.wg.Go(func() { s.compare(ctx, sharer) })
		}
	case sharer != nil:
		return s.share(ctx, host, sharer)
	case s.cfg.KeyFile == "":
		s.log.Warn("no key: values that distinguish streams or resources are redacted, so streams may merge; set keys or key_file")
	default:
		if err := s.openFile(); err != nil {
			return fmt.Errorf("key_file: %w", err)
		}
	}
	return s.beginLocked(host)
}

func (s *scrubber) sharer(host component.Host) (keySharer, error) {
	if s.cfg.KeyExtension == nil {
		return nil, nil
	}
	found, ok := host.GetExtensions()[*s.cfg.KeyExtension]
	if !ok {
		return nil, fmt.Errorf("key_extension: %q is not among service::extensions", s.cfg.KeyExtension)
	}
	sharer, ok := found.(keySharer)
	if !ok {
		return nil, fmt.Errorf("key_extension: %q does not share keys", s.cfg.KeyExtension)
	}
	return sharer, nil
}

func (s *scrubber) useSecret(secret []byte) error {
	keys, err := protect.NewKeyring([]protect.Key{{ID: localkey.Fingerprint(secret), Secret: secret}})
	if err != nil {
		return err
	}
	return s.use(keys)
}

// openFile uses the key of key_file, which it creates if it is missing.
func (s *scrubber) openFile() error {
	key, err := localkey.Open(s.cfg.KeyFile)
	if err != nil {
		return err
	}
	if key.Aside != "" {
		s.log.Error("the key file is damaged: it was renamed and a new key was created, so hashes differ from earlier ones, and hashed values start new series",
			zap.String("renamed_to", key.Aside), zap.String("file", s.cfg.KeyFile), zap.String("key", key.ID))
	} else if key.Made {
		s.log.Info("created a key: equal values have equal hashes as long as this key is used; another key starts new series", zap.String("file", s.cfg.KeyFile), zap.String("key", key.ID))
	}
	if s.cfg.Instances {
		s.log.Warn("the key for hashes is in a local file: several gateways need the same key, else each names a series differently and sums double; set PENSTOCK_PII_KEY on all of them",
			zap.String("file", s.cfg.KeyFile))
	}
	return s.useSecret(key.Secret)
}

// share uses the extension's key. Until the extension answers, batches are refused and share retries. Guarded by mu.
func (s *scrubber) share(ctx context.Context, host component.Host, sharer keySharer) error {
	kept, err := s.keptKey()
	if err != nil {
		return fmt.Errorf("key_file: %w", err)
	}
	own := kept
	if own == nil {
		own = localkey.New()
	}
	ask := func(wait time.Duration) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		return sharer.SharedKey(ctx, own)
	}
	secret, err := ask(shareWait)
	if err == nil {
		return s.beginSharedLocked(host, secret, kept)
	}
	s.log.Warn("the key that the gateways share is not known yet: batches are refused until Kafka answers", zap.Error(err))
	status := condition.New(host)
	status.Bad(conditionKey, err.Error())
	s.wg.Go(func() {
		ticker := time.NewTicker(shareEvery)
		defer ticker.Stop()
		for wait := shareWait; ; wait = min(2*wait, shareMost) {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			secret, err := ask(wait)
			if err != nil {
				status.Bad(conditionKey, err.Error())
				continue
			}
			s.mu.Lock()
			err = s.beginSharedLocked(host, secret, kept)
			s.mu.Unlock()
			if err != nil {
				componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(err))
				return
			}
			status.Good(conditionKey)
			return
		}
	})
	return nil
}

// keptKey returns the content of key_file: this gateway's copy of the shared key, or the key that it used alone. nil: there is none.
func (s *scrubber) keptKey() ([]byte, error) {
	if s.cfg.KeyFile == "" {
		return nil, nil
	}
	key, _, err := localkey.Read(s.cfg.KeyFile)
	if key.Aside != "" {
		s.log.Error("the file with the copy of the shared key is damaged: it was renamed, and a new copy will be written", zap.String("renamed_to", key.Aside), zap.String("file", s.cfg.KeyFile))
	}
	return key.Secret, err
}

// beginSharedLocked uses the shared key, and stores a copy: if the extension loses the key, a gateway with a copy offers it again. Guarded
// by mu.
func (s *scrubber) beginSharedLocked(host component.Host, secret, kept []byte) error {
	if err := s.useSecret(secret); err != nil {
		return fmt.Errorf("key_extension: %w", err)
	}
	id := localkey.Fingerprint(secret)
	switch {
	case kept != nil && !bytes.Equal(kept, secret):
		s.log.Warn("the gateways share a different key than the one in key_file: hashes use the shared key, and values that were hashed with the file's key start new series. "+
			"Remove the file: a copy of the shared key replaces it. To use your own key, set PENSTOCK_PII_KEY on all gateways",
			zap.String("key", id), zap.String("key_in_file", localkey.Fingerprint(kept)), zap.String("file", s.cfg.KeyFile))
	case kept == nil && s.cfg.KeyFile != "":
		if _, err := localkey.Save(s.cfg.KeyFile, secret); err != nil {
			s.log.Warn("the copy of the shared key can't be stored: if the shared key is lost, a new one starts new series", zap.Error(err))
		}
	}
	s.log.Info("hashes use the key that the gateways share", zap.String("key", id))
	return s.beginLocked(host)
}

// compare warns if the extension has a key that is not among the configured ones, because a gateway without those would hash with it.
func (s *scrubber) compare(ctx context.Context, sharer keySharer) {
	ctx, cancel := context.WithTimeout(ctx, shareWait)
	defer cancel()
	shared, err := sharer.SharedKey(ctx, nil)
	if err != nil || shared == nil {
		return // nothing depends on it
	}
	for _, k := range s.cfg.Keys {
		if own, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(k.Secret))); err == nil && bytes.Equal(own, shared) {
			return
		}
	}
	s.log.Warn("hashes use the configured key, but the gateways share a different one: gateways without a configured key use the shared key and name series differently, so sums double. "+
		"Set PENSTOCK_PII_KEY (keys) on all gateways; then none of them uses the shared key", zap.String("shared_key", localkey.Fingerprint(shared)))
}
