// Package adminclient queries the admin address of a running collector, and explains errors in plain words.
package adminclient

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxAnswer bounds an answer that is read whole, in bytes.
	maxAnswer = 16 << 20
	// maxLine bounds one line of an answer that has no end, in bytes.
	maxLine = 1 << 20
	// maxSaid bounds the quoted part of an error answer, in bytes.
	maxSaid = 1 << 10
	// patience is how long a collector may take to begin its answer.
	patience = 10 * time.Second
)

// ErrNoConsole says that the collector has no console, or an older one.
var ErrNoConsole = errors.New("the collector has no console at that address: add the extensions admin and console to service::extensions, as every profile does")

// Client queries one collector.
type Client struct {
	url    string
	header http.Header
	http   *http.Client
}

// New returns a client for an address, with headers of the form "Name: value".
func New(address string, headers []string) (*Client, error) {
	address, err := Address(address)
	if err != nil {
		return nil, err
	}
	header, err := Header(headers)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = patience
	transport.DialContext = (&net.Dialer{Timeout: patience}).DialContext
	return &Client{address, header, &http.Client{Transport: transport}}, nil
}

// Address returns the URL of an admin address, without a slash at its end. Without a scheme it is http.
func Address(text string) (string, error) {
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("--admin: %q is not the URL of an admin address, such as http://127.0.0.1:13134", text)
	}
	return strings.TrimSuffix(text, "/"), nil
}

// Header parses headers of the form "Name: value".
func Header(all []string) (http.Header, error) {
	out := http.Header{}
	for _, h := range all {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, fmt.Errorf("--header: %q has no colon", name)
		}
		out.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return out, nil
}

// Get reads the JSON at a path into v.
func (c *Client) Get(ctx context.Context, path string, query url.Values, v any) error {
	answer, err := c.ask(ctx, path, query)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(v); err != nil {
		return fmt.Errorf("%s%s does not answer with JSON: is that an admin address? %w", c.url, path, err)
	}
	return nil
}

// Lines calls each with every line of an answer as it arrives, until the answer ends, ctx ends, or each returns false.
func (c *Client) Lines(ctx context.Context, path string, query url.Values, each func(line []byte) (more bool, err error)) error {
	answer, err := c.ask(ctx, path, query)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // the rest is not needed
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if more, err := each(lines.Bytes()); err != nil || !more {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the collector at %s ended the answer: %w", c.url, err)
	}
	return nil
}

// ask returns an answer that is a success; its body must be closed.
func (c *Client) ask(ctx context.Context, path string, query url.Values) (*http.Response, error) {
	target := c.url + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	r.Header = c.header.Clone()
	answer, err := c.http.Do(r)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the long address
		}
		return nil, fmt.Errorf("no collector answers at %s: %w. --admin or PENSTOCK_ADMIN_ENDPOINT names its admin address", c.url, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxSaid))
	said := Plain(strings.TrimSpace(string(text)))
	switch answer.StatusCode {
	case http.StatusNotFound:
		return nil, fmt.Errorf("%s: %w", c.url, ErrNoConsole)
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("%s refuses: %s. Send a key with --header \"X-API-Key: ...\" or --header \"Authorization: Bearer ...\"", c.url, said)
	}
	return nil, fmt.Errorf("%s: %s: %s", c.url, answer.Status, said)
}

// Plain replaces a text's control characters, which a terminal would execute, by spaces.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r <= 0x9f || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, s)
}
