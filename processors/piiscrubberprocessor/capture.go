package piiscrubberprocessor

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/scrub"
)

// Bounds of one capture, and the defaults of a request.
const (
	maxCaptureLines   = 200
	maxCaptureBytes   = 256 << 10
	maxCaptureSeconds = 20 // the admin listener ends a request after 30
	captureLines      = 20
	captureSeconds    = 10
)

// capturer answers POST /capture: lines as they arrive, with what would be removed and why. It holds original texts only while a client
// with the admin token waits for the answer: one request at a time, maxCaptureLines and maxCaptureBytes at most.
type capturer struct {
	admin   admin.Authorizer // set by mount
	preview *scrub.Scrubber  // with separate keys, as the previewer
	log     *zap.Logger
	stop    chan struct{} // closed by close
	once    sync.Once
	current atomic.Pointer[capture] // nil: no capture is running
}

func newCapturer(preview *scrub.Scrubber, log *zap.Logger) *capturer {
	return &capturer{preview: preview, log: log, stop: make(chan struct{})}
}

// tap returns the function to which a batch of signal passes its texts, nil if no capture is running.
func (c *capturer) tap(signal string) func(key, text string, found bool) {
	now := c.current.Load()
	if now == nil {
		return nil
	}
	return func(key, text string, found bool) { now.add(signal, key, text, found) }
}

// close ends a running capture.
func (c *capturer) close() { c.once.Do(func() { close(c.stop) }) }

type captureRequest struct {
	Reason  string `json:"reason"`  // required, for the audit line
	Lines   int    `json:"lines"`   // how many at most; 0: 20
	Seconds int    `json:"seconds"` // how long to wait for them; 0: 10
	Found   bool   `json:"found"`   // only texts with a finding, including values of attributes
}

func (r *captureRequest) validate() error {
	switch {
	case r.Reason == "":
		return fmt.Errorf("reason: must be set; it is written to the audit log")
	case r.Lines < 0 || r.Lines > maxCaptureLines:
		return fmt.Errorf("lines: want 1 to %d, got %d", maxCaptureLines, r.Lines)
	case r.Seconds < 0 || r.Seconds > maxCaptureSeconds:
		return fmt.Errorf("seconds: want 1 to %d, got %d", maxCaptureSeconds, r.Seconds)
	}
	if r.Lines == 0 {
		r.Lines = captureLines
	}
	if r.Seconds == 0 {
		r.Seconds = captureSeconds
	}
	return nil
}

// capturedLine is one text of the answer: the original, the scrubbed text, and the findings.
type capturedLine struct {
	Signal   string          `json:"signal"`
	Key      string          `json:"key,omitempty"` // of the attribute
	Text     string          `json:"text"`
	Scrubbed string          `json:"scrubbed"`
	Findings []scrub.Finding `json:"findings"`
}

// capture collects the texts of one request.
type capture struct {
	found bool
	full  chan struct{} // closed when it holds enough

	mu    sync.Mutex
	lines []capturedLine // guarded by mu; nil when done
	bytes int            // guarded by mu
	max   int            // guarded by mu; 0 when done
}

// add copies a text, if it is wanted and there is room. Without found, lines are only texts outside attributes: bodies, names, messages.
func (c *capture) add(signal, key, text string, found bool) {
	if c.found && !found || !c.found && key != "" || text == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lines) >= c.max || c.bytes+len(text) > maxCaptureBytes {
		return
	}
	c.lines = append(c.lines, capturedLine{Signal: signal, Key: strings.Clone(key), Text: strings.Clone(text)})
	if c.bytes += len(text); len(c.lines) == c.max {
		close(c.full)
	}
}

// take ends the capture and returns its lines.
func (c *capture) take() []capturedLine {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := c.lines
	c.lines, c.max = nil, 0
	return lines
}

func (c *capturer) serve(w http.ResponseWriter, r *http.Request) {
	who, err := c.admin.Authorize(r, access.Decrypt)
	if err != nil {
		c.log.Info("refused to capture lines", zap.String("audit", "pii_capture"), zap.String("remote", r.RemoteAddr), zap.Error(err))
		admin.Challenge(w.Header())
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	var req captureRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxDecryptBytes)).Decode(&req); err != nil {
		http.Error(w, "body: want {\"reason\", \"lines\", \"seconds\", \"found\"} in JSON", http.StatusBadRequest)
		return
	}
	if err := req.validate(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	admin.Detail(r.Context(), "reason", req.Reason)
	now := &capture{found: req.Found, full: make(chan struct{}), max: req.Lines}
	if !c.current.CompareAndSwap(nil, now) {
		http.Error(w, "another capture is running", http.StatusConflict)
		return
	}
	audit := []zap.Field{zap.String("audit", "pii_capture"), zap.String("remote", r.RemoteAddr), zap.String("user", who), zap.String("reason", req.Reason)}
	c.log.Info("capturing original lines", append(audit, zap.Int("lines", req.Lines), zap.Int("seconds", req.Seconds))...)
	timer := time.NewTimer(time.Duration(req.Seconds) * time.Second)
	select {
	case <-now.full:
	case <-timer.C:
	case <-r.Context().Done():
	case <-c.stop:
	}
	timer.Stop()
	c.current.Store(nil)
	lines := now.take()
	c.log.Info("captured original lines", append(audit, zap.Int("captured", len(lines)))...)
	if r.Context().Err() != nil {
		return
	}
	c.answer(w, lines)
}

func (c *capturer) answer(w http.ResponseWriter, lines []capturedLine) {
	b := c.preview.NewBatch()
	for i := range lines {
		l := &lines[i]
		l.Text = strings.ToValidUTF8(l.Text, "\uFFFD") // as in the JSON answer: the positions of findings are its bytes
		l.Scrubbed, l.Findings = b.Preview(l.Key, l.Text)
	}
	if lines == nil {
		lines = []capturedLine{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err := json.NewEncoder(w).Encode(map[string]any{"lines": lines}); err != nil {
		c.log.Debug("capture: the client went away")
	}
}
