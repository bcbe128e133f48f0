package embeddedtsdbextension

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/http"
	"strings"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
)

// mistaken says that a request of remote write has a message of another version than its Content-Type names; empty: it has not. Each version
// ignores the fields of the other, so such a request would be answered with a success and nothing of it would be written. It reads the first
// bytes of the body and puts them back.
func mistaken(r *http.Request) string {
	named := named(r.Header.Get("Content-Type"))
	body := bufio.NewReaderSize(r.Body, 16)
	begin, _ := body.Peek(16) // the handler gets the error
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
	switch field := firstField(begin); {
	case named == remoteapi.WriteV1MessageType && (field == 4 || field == 5):
		return "the body is a message of remote write 2.0: its Content-Type must be application/x-protobuf;proto=" + string(remoteapi.WriteV2MessageType) + ", without a blank"
	case named == remoteapi.WriteV2MessageType && (field == 1 || field == 3):
		return "the body is a message of remote write 1.0: its Content-Type must not have proto=" + string(remoteapi.WriteV2MessageType)
	}
	return ""
}

// named is the message that the handler takes the body for: it compares the names of parameters as they are, also with a blank before them.
func named(contentType string) remoteapi.WriteMessageType {
	for p := range strings.SplitSeq(contentType, ";") {
		if message, is := strings.CutPrefix(p, "proto="); is {
			return remoteapi.WriteMessageType(strings.TrimSpace(message))
		}
	}
	return remoteapi.WriteV1MessageType
}

// firstField returns the number of the first field of a message in protobuf, compressed as a block of snappy; 0 if it can't be told. Nothing
// precedes the first bytes that a block could copy, so it begins with its length and a literal.
func firstField(block []byte) int {
	_, n := binary.Uvarint(block)
	if n <= 0 || n >= len(block) || block[n]&3 != 0 {
		return 0
	}
	if size := int(block[n] >> 2); size >= 60 { // the length of the literal takes further bytes
		n += size - 59
	}
	if n+1 >= len(block) {
		return 0
	}
	return int(block[n+1] >> 3)
}
