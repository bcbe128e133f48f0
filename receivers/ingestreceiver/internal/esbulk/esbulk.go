// Package esbulk decodes the body of Elasticsearch's bulk API, and encodes its answer. A body has pairs of lines, an action and a
// document, and each action has its own result. See https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk.
package esbulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// ErrTooMany says that a request has too many actions.
var ErrTooMany = errors.New("the request has too many actions")

// MalformedError says that a line is neither the action nor the document that the bulk format requires there. The whole request is
// refused, because the lines after it can't be paired.
type MalformedError struct {
	Line int // from 1
	Want string
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed action/metadata line [%d]: expected %s", e.Line, e.Want)
}

// Item is one action.
type Item struct {
	// Action is index, create, update or delete.
	Action string
	// Index and ID are those of the action; the ID is empty if the server has to make one.
	Index, ID string
	// Source is the document, a part of the body; delete has none.
	Source []byte
}

// Decode decodes a body of at most maxItems actions. index is the one of the path, for actions without one.
func Decode(body []byte, index string, maxItems int) ([]Item, error) {
	var items []Item
	number := 0
	line := func() []byte {
		for len(body) > 0 {
			number++
			one, rest, _ := bytes.Cut(body, []byte("\n"))
			body = rest
			if one = bytes.TrimSpace(one); len(one) > 0 {
				return one
			}
		}
		return nil
	}
	for action := line(); action != nil; action = line() {
		if len(items) == maxItems {
			return nil, ErrTooMany
		}
		i, err := readAction(action, index)
		if err != nil {
			return nil, &MalformedError{number, err.Error()}
		}
		if i.Action != "delete" {
			if i.Source = line(); i.Source == nil {
				return nil, &MalformedError{number + 1, "a document after the last action"}
			}
		}
		items = append(items, i)
	}
	return items, nil
}

var errAction = errors.New(`one of {"index":{}}, {"create":{}}, {"update":{}} and {"delete":{}}`)

func readAction(line []byte, index string) (Item, error) {
	var object map[string]*struct {
		Index string          `json:"_index"`
		ID    json.RawMessage `json:"_id"`
	}
	if err := json.Unmarshal(line, &object); err != nil || len(object) != 1 {
		return Item{}, errAction
	}
	for action, meta := range object {
		switch action {
		case "index", "create", "update", "delete":
		default:
			return Item{}, errAction
		}
		i := Item{Action: action, Index: index}
		if meta == nil {
			return i, nil
		}
		if meta.Index != "" {
			i.Index = meta.Index
		}
		if len(meta.ID) > 0 && string(meta.ID) != "null" && json.Unmarshal(meta.ID, &i.ID) != nil {
			i.ID = string(meta.ID) // a number
		}
		return i, nil
	}
	return Item{}, errAction
}

// Problem is why an item was refused.
type Problem struct {
	Status       int
	Type, Reason string
}

// Error is a problem in Elasticsearch's words.
type Error struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

type result struct {
	Index   string  `json:"_index"`
	ID      string  `json:"_id,omitempty"`
	Version int     `json:"_version,omitempty"`
	Result  string  `json:"result,omitempty"`
	Shards  *shards `json:"_shards,omitempty"`
	SeqNo   *int    `json:"_seq_no,omitempty"`
	Term    int     `json:"_primary_term,omitempty"`
	Status  int     `json:"status"`
	Error   *Error  `json:"error,omitempty"`
}

type shards struct {
	Total      int `json:"total"`
	Successful int `json:"successful"`
	Failed     int `json:"failed"`
}

// Answer is the answer to a bulk request of items. problem returns why the item at a position was refused, nil if it was not.
func Answer(items []Item, tookMillis int64, problem func(int) *Problem) []byte {
	out := struct {
		Took   int64               `json:"took"`
		Errors bool                `json:"errors"`
		Items  []map[string]result `json:"items"`
	}{Took: tookMillis, Items: make([]map[string]result, 0, len(items))}
	seqNo := 0
	for at, i := range items {
		r := result{Index: i.Index, ID: i.ID}
		if p := problem(at); p != nil {
			out.Errors = true
			r.Status, r.Error = p.Status, &Error{p.Type, p.Reason}
		} else {
			r.Status, r.Version, r.Result, r.Term = http.StatusCreated, 1, "created", 1
			r.Shards, r.SeqNo = &shards{1, 1, 0}, &seqNo
		}
		out.Items = append(out.Items, map[string]result{i.Action: r})
	}
	text, _ := json.Marshal(out) // consists of texts and numbers: can't fail
	return text
}
