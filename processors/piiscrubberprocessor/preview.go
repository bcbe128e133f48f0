package piiscrubberprocessor

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/scrub"
)

// maxPreviewBytes bounds the text of one preview.
const maxPreviewBytes = 256 << 10

//go:embed preview.html
var previewText string

//go:embed preview.js
var previewJS string

var (
	previewPage   = template.Must(template.New("preview").Parse(previewText))
	previewScript = admin.NewScript(previewJS)
)

// previewer answers POST /preview: what would go of a text, and why. It needs no authorization, so its hashes, tokens and ciphertexts
// are made with a key of its own: with the real one, whoever reaches the page could try values until a hash is right.
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
	Text *string `json:"text"` // nil if the request names none
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

func (p *previewer) servePage(w http.ResponseWriter, _ *http.Request) {
	var out bytes.Buffer
	if err := previewPage.Execute(&out, map[string]any{"ID": p.id, "Script": previewScript.Text, "Decrypt": p.decrypt}); err != nil {
		p.log.Error("page of the preview", zap.Error(err))
		http.Error(w, "the page could not be made; see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", previewScript.Policy)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(out.Bytes()) // the browser is gone
}
