package piiscrubberprocessor

import (
	"crypto/rand"
	"encoding/json"
	"net/http"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/scrub"
)

// maxPreviewBytes bounds the text of one preview.
const maxPreviewBytes = 256 << 10

// previewer answers POST /preview: what would be removed from a text, and why. It needs no authorization, so its hashes, tokens and
// ciphertexts are made with a separate key: with the real one, any client could try values until a hash matches.
type previewer struct {
	id      string
	decrypt bool
	scrub   *scrub.Scrubber
	log     *zap.Logger
}

func newPreviewer(id string, built *scrub.Scrubber, log *zap.Logger) (*previewer, error) {
	s := built.Settings
	if s.Keys != nil {
		secret := make([]byte, protect.MinSecret)
		if _, err := rand.Read(secret); err != nil {
			return nil, err
		}
		keys, err := protect.NewKeyring([]protect.Key{{ID: "preview", Secret: secret}})
		if err != nil {
			return nil, err
		}
		s.Keys = keys
	}
	return &previewer{id: id, decrypt: built.Keys != nil, scrub: scrub.New(s), log: log}, nil
}

type previewRequest struct {
	Text *string `json:"text"` // nil if the request has no text
}

type previewResult struct {
	Text     string          `json:"text"`
	Findings []scrub.Finding `json:"findings"`
}

func (p *previewer) preview(w http.ResponseWriter, r *http.Request) {
	var req previewRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 6*maxPreviewBytes)).Decode(&req); err != nil || req.Text == nil {
		http.Error(w, "body: want {\"text\"} in JSON", http.StatusBadRequest)
		return
	}
	if len(*req.Text) > maxPreviewBytes {
		http.Error(w, "text: at most 262144 bytes", http.StatusRequestEntityTooLarge)
		return
	}
	text, findings := p.scrub.NewBatch().Preview("", *req.Text)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err := json.NewEncoder(w).Encode(previewResult{text, findings}); err != nil {
		p.log.Debug("preview: the client went away")
	}
}
