package piiscrubberprocessor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/penstockhq/penstock/internal/access"
	"github.com/penstockhq/penstock/internal/admin"
	"github.com/penstockhq/penstock/internal/tenant"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/metadata"
	"github.com/penstockhq/penstock/processors/piiscrubberprocessor/internal/protect"
)

const (
	maxDecryptBytes  = 1 << 20
	maxDecryptValues = 1000
)

// decrypter answers POST /decrypt on the admin endpoint and writes an audit line for each request, without any value.
type decrypter struct {
	id        string
	admin     admin.Authorizer // set by mount
	keys      *protect.Keyring
	log       *zap.Logger
	telemetry *metadata.TelemetryBuilder
}

type decryptRequest struct {
	Tenant string   `json:"tenant"` // the tenant of the values; empty means "default"
	Reason string   `json:"reason"` // required, for the audit line
	Values []string `json:"values"` // tokens and ciphertexts
}

type decryptResult struct {
	Value string `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

func (d *decrypter) decrypt(w http.ResponseWriter, r *http.Request) {
	who, err := d.admin.Authorize(r, access.Decrypt)
	if err != nil {
		d.log.Info("refused to decrypt PII", zap.String("audit", "pii_decrypt"), zap.String("remote", r.RemoteAddr), zap.Error(err))
		admin.Challenge(w.Header())
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	var req decryptRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxDecryptBytes)).Decode(&req); err != nil {
		http.Error(w, "body: want {\"tenant\", \"reason\", \"values\"} in JSON", http.StatusBadRequest)
		return
	}
	if req.Reason == "" {
		http.Error(w, "reason: must be set; it is written to the audit log", http.StatusBadRequest)
		return
	}
	if n := len(req.Values); n == 0 || n > maxDecryptValues {
		http.Error(w, fmt.Sprintf("values: want 1 to %d, got %d", maxDecryptValues, n), http.StatusBadRequest)
		return
	}
	c := access.Of(r.Context())
	if own, one := c.Tenant(); one && req.Tenant == "" {
		req.Tenant = own
	}
	if req.Tenant == "" {
		req.Tenant = tenant.Default
	}
	if !c.Sees(req.Tenant) {
		d.log.Info("refused to decrypt PII", zap.String("audit", "pii_decrypt"), zap.String("remote", r.RemoteAddr), zap.String("user", who), zap.String("reason", "tenant"))
		http.Error(w, "tenant: the API key belongs to another tenant", http.StatusForbidden)
		return
	}
	results := make([]decryptResult, len(req.Values))
	refused := 0
	for i, v := range req.Values {
		plain, err := d.keys.Decrypt(req.Tenant, v)
		if err != nil {
			refused++
			results[i].Error = reasonOf(err)
			continue
		}
		results[i].Value = plain
	}
	d.audit(r, who, &req, refused)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(map[string]any{"results": results}); err != nil {
		d.log.Debug("decrypt: the client went away", zap.String("audit", "pii"))
	}
}

// audit is written before the answer: who asked, why, and for how many values.
func (d *decrypter) audit(r *http.Request, who string, req *decryptRequest, refused int) {
	admin.Detail(r.Context(), "tenant", req.Tenant)
	admin.Detail(r.Context(), "reason", req.Reason)
	admin.Detail(r.Context(), "decrypted", strconv.Itoa(len(req.Values)-refused))
	d.log.Info("decrypted PII", zap.String("audit", "pii_decrypt"), zap.String("remote", r.RemoteAddr), zap.String("user", who),
		zap.String("tenant", req.Tenant), zap.String("reason", req.Reason),
		zap.Int("decrypted", len(req.Values)-refused), zap.Int("refused", refused))
	add := func(outcome string, n int) {
		if n > 0 {
			d.telemetry.ProcessorPiiScrubberDecrypts.Add(context.WithoutCancel(r.Context()), int64(n), metric.WithAttributes(attribute.String("outcome", outcome)))
		}
	}
	add("decrypted", len(req.Values)-refused)
	add("refused", refused)
}

// reasonOf names an error without repeating the input.
func reasonOf(err error) string {
	for _, known := range []error{protect.ErrNoMark, protect.ErrUnknownKey, protect.ErrHashed, protect.ErrTampered} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "failed"
}
