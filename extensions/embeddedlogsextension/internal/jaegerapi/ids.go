package jaegerapi

import (
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	traceDigits = 32
	// shortDigits has an id of 64 bits.
	shortDigits = 16
)

// parseTraceID returns an id as the store has it. Clients write ids of 64 bits with 16 digits, and leave zeros at the front out.
func parseTraceID(text string) (string, error) {
	id := strings.ToLower(strings.TrimSpace(text))
	if id == "" || len(id) > traceDigits {
		return "", fmt.Errorf("TraceID %q does not have between 1 and %d hexadecimal digits", text, traceDigits)
	}
	id = strings.Repeat("0", traceDigits-len(id)) + id
	if _, err := hex.DecodeString(id); err != nil {
		return "", fmt.Errorf("TraceID %q: %w", text, err)
	}
	return id, nil
}

// showTraceID writes an id as Jaeger does: 16 digits where the upper half of the bits is zero.
func showTraceID(id string) string {
	if len(id) == traceDigits && strings.Count(id[:shortDigits], "0") == shortDigits {
		return id[shortDigits:]
	}
	return id
}
