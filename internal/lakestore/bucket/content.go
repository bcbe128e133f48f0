package bucket

import (
	"crypto/md5" //nolint:gosec // a protection against damage in transit, not against attackers
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"sync"
)

const pieceBytes = 1 << 20

var pieces = sync.Pool{New: func() any { return new([pieceBytes]byte) }}

// content is one file in memory, in pieces that successive files share. It holds the complete file: a failed request is sent again, and a file that
// is named by its content has no name before its end.
type content struct {
	pieces []*[pieceBytes]byte
	size   int64
}

var (
	_ io.Writer   = (*content)(nil)
	_ io.ReaderAt = (*content)(nil)
)

// Write appends p.
func (c *content) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		at := int(c.size % pieceBytes)
		if at == 0 {
			c.pieces = append(c.pieces, pieces.Get().(*[pieceBytes]byte))
		}
		n := copy(c.pieces[len(c.pieces)-1][at:], rest)
		rest = rest[n:]
		c.size += int64(n)
	}
	return len(p), nil
}

// ReadAt implements io.ReaderAt.
func (c *content) ReadAt(p []byte, from int64) (n int, err error) {
	for n < len(p) && from < c.size {
		piece := c.pieces[from/pieceBytes][from%pieceBytes : min(pieceBytes, from%pieceBytes+c.size-from)]
		k := copy(p[n:], piece)
		n += k
		from += int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// release returns the pieces. c must not be read any more.
func (c *content) release() {
	for _, p := range c.pieces {
		pieces.Put(p)
	}
	c.pieces, c.size = nil, 0
}

// name is the name of a file without a given one, as in lakestore.Dir.
func (c *content) name() string {
	sum := sha256.New()
	_, _ = io.Copy(sum, io.NewSectionReader(c, 0, c.size))
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// section is the part of the content in one request, with its checksums.
type section struct {
	content    *content
	from, size int64
	md5        string // base64, of Content-MD5
	sha256     string // hex; empty if TLS protects the body
}

func (c *content) section(from, to int64, signed bool) section {
	s := section{content: c, from: from, size: to - from}
	digest := md5.New() //nolint:gosec // see above
	signature := sha256.New()
	all := io.Writer(digest)
	if signed {
		all = io.MultiWriter(digest, signature)
	}
	_, _ = io.Copy(all, io.NewSectionReader(c, from, s.size))
	s.md5 = base64.StdEncoding.EncodeToString(digest.Sum(nil))
	if signed {
		s.sha256 = hex.EncodeToString(signature.Sum(nil))
	}
	return s
}

// lend returns a body for one attempt to send s.
func (s section) lend() *loan { return &loan{reader: io.NewSectionReader(s.content, s.from, s.size)} }

var errEnded = errors.New("the request's body is no longer sent: the attempt has ended")

// loan reads a section until it ends: a transport may continue to read after it has returned, if the store answers early, and the pieces then
// belong to another file.
type loan struct {
	mu     sync.Mutex
	ended  bool              // guarded by mu
	reader *io.SectionReader // guarded by mu
}

// Read implements io.Reader.
func (l *loan) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return 0, errEnded
	}
	return l.reader.Read(p)
}

// end revokes the loan.
func (l *loan) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}
