package ingestreceiver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxDepth is how deep objects and lists may be nested in an item.
const maxDepth = 32

// jsonTypes are the media types that are read as JSON.
const jsonTypes = "application/json, application/x-ndjson, application/jsonl"

// byteOrderMark is what several editors and shells write before UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

// batch is a request in progress.
type batch struct {
	id          string
	now         time.Time
	source      string
	kind        string // media type, lower-case; empty: none was given
	charset     string // empty: none was given
	contentType string // as the client wrote it
	body        []byte
	cfg         *Config
	count       func(reason string, n int)

	received, rejected int
	errors             []itemError
}

// reject leaves one item out.
func (b *batch) reject(index int, reason, text string) {
	b.rejected++
	b.count(reason, 1)
	if len(b.errors) < maxErrors {
		b.errors = append(b.errors, itemError{index, text})
	}
}

// isJSON reports whether the body is meant to be JSON.
func (b *batch) isJSON() bool {
	if b.kind == "application/x-www-form-urlencoded" {
		// curl -d uses this type by default. A form never begins like JSON: both characters would be escaped.
		text := bytes.TrimSpace(b.body)
		return len(text) > 0 && (text[0] == '{' || text[0] == '[')
	}
	return b.kind == "" || b.kind == "application/json" || strings.HasSuffix(b.kind, "+json") || b.isLines()
}

func (b *batch) isLines() bool {
	return b.kind == "application/x-ndjson" || b.kind == "application/ndjson" || b.kind == "application/jsonl" || b.kind == "application/x-jsonlines"
}

// item is one element of a batch.
type item struct {
	index         int
	service, host string
	fields        map[string]any
}

// items calls take for every item of the body: a JSON array, an object with the list under a name, one item, or lines of any of these. It
// holds only the items' bytes. take returns why it refuses an item.
func (b *batch) items(name string, take func(item) error) error {
	if charset := strings.ToLower(b.charset); charset != "" && charset != "utf-8" && charset != "utf8" && charset != "us-ascii" {
		return &refused{http.StatusUnsupportedMediaType, "the charset of JSON must be utf-8"}
	}
	b.body = bytes.TrimPrefix(b.body, byteOrderMark)
	if !b.isLines() && len(bytes.TrimSpace(b.body)) == 0 { // no lines are an empty list
		return &refused{http.StatusBadRequest, "the body is empty"}
	}
	if b.isLines() {
		for line := range bytes.SplitSeq(b.body, []byte("\n")) {
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			if !json.Valid(line) {
				if err := b.next(); err != nil {
					return err
				}
				b.reject(b.received-1, "malformed", "the line is not valid JSON")
				continue
			}
			if err := b.document(json.NewDecoder(bytes.NewReader(line)), name, take); err != nil {
				return err
			}
		}
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b.body))
	if !json.Valid(b.body) && !severalDocuments(b.body) {
		return &refused{http.StatusBadRequest, "the body is not valid JSON"}
	}
	for d.More() {
		if err := b.document(d, name, take); err != nil {
			return err
		}
	}
	return nil
}

// severalDocuments reports whether a body is several JSON documents, one after the other: lines under the content type of a single
// document.
func severalDocuments(body []byte) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	for {
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// next counts an item.
func (b *batch) next() error {
	if b.received == b.cfg.MaxItems {
		return &refused{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d items (max_items)", b.cfg.MaxItems)}
	}
	b.received++
	return nil
}

// document reads one document, which is valid JSON.
func (b *batch) document(d *json.Decoder, name string, take func(item) error) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return &refused{http.StatusBadRequest, "the body is not valid JSON"}
	}
	if raw[0] == '[' {
		return b.list(raw, item{}, take)
	}
	if raw[0] == '{' {
		var envelope map[string]json.RawMessage
		if err := json.Unmarshal(raw, &envelope); err != nil {
			return &refused{http.StatusBadRequest, "the body is nested too deeply"}
		}
		if list, ok := envelope[name]; ok && list[0] == '[' {
			var of item
			_ = json.Unmarshal(envelope["service"], &of.service) // a value that is not a string is not a name
			_ = json.Unmarshal(envelope["host"], &of.host)
			return b.list(list, of, take)
		}
	}
	return b.one(raw, item{}, take)
}

func (b *batch) list(raw json.RawMessage, of item, take func(item) error) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return &refused{http.StatusBadRequest, "the body is not valid JSON"}
	}
	for d.More() {
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return &refused{http.StatusBadRequest, "the body is not valid JSON"}
		}
		if err := b.one(one, of, take); err != nil {
			return err
		}
	}
	return nil
}

// one reads an item, and rejects only that item if it is bad.
func (b *batch) one(raw json.RawMessage, of item, take func(item) error) error {
	if err := b.next(); err != nil {
		return err
	}
	of.index = b.received - 1
	switch {
	case raw[0] != '{':
		b.reject(of.index, "malformed", "the item is not an object")
		return nil
	case depth(raw) > maxDepth:
		b.reject(of.index, "malformed", fmt.Sprintf("the item is nested more than %d deep", maxDepth))
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&of.fields); err != nil {
		b.reject(of.index, "malformed", "the item is not valid JSON")
		return nil
	}
	var late *outOfRange
	if err := take(of); errors.As(err, &late) {
		b.reject(of.index, "time", err.Error())
	} else if err != nil {
		b.reject(of.index, "malformed", err.Error())
	}
	return nil
}

// depth returns how deep valid JSON is nested.
func depth(raw []byte) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}
