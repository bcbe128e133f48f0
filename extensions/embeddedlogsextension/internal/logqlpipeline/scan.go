package logqlpipeline

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// maxJSONDepth bounds objects in objects of a line; deeper ones are an error of the line.
const maxJSONDepth = 128

var errNotJSON = errors.New("the line is not a JSON object")

// scanner reads JSON without building it.
type scanner struct {
	text string
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t' || s.text[s.at] == '\n' || s.text[s.at] == '\r') {
		s.at++
	}
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) accept(c byte) bool {
	if s.peek() == c && s.at < len(s.text) {
		s.at++
		return true
	}
	return false
}

// object calls member for each key, with the scanner before its value, which member has to read.
func (s *scanner) object(member func(key string) error) error {
	if !s.accept('{') {
		return errNotJSON
	}
	s.space()
	if s.accept('}') {
		return nil
	}
	for {
		s.space()
		if s.accept('}') { // Loki takes a comma at the end
			return nil
		}
		key, err := s.str()
		if err != nil {
			return err
		}
		s.space()
		if !s.accept(':') {
			return errNotJSON
		}
		s.space()
		if err := member(key); err != nil {
			return err
		}
		s.space()
		if s.accept('}') {
			return nil
		}
		if !s.accept(',') {
			return errNotJSON
		}
	}
}

// array calls element for each, like object.
func (s *scanner) array(element func(index int) error) error {
	s.at++
	s.space()
	if s.accept(']') {
		return nil
	}
	for i := 0; ; i++ {
		s.space()
		if err := element(i); err != nil {
			return err
		}
		s.space()
		if s.accept(']') {
			return nil
		}
		if !s.accept(',') {
			return errNotJSON
		}
	}
}

// str reads a string.
func (s *scanner) str() (string, error) {
	if s.peek() != '"' {
		return "", errNotJSON
	}
	start, plain := s.at, true
	for i := start + 1; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			plain = false
			i++
		case '"':
			s.at = i + 1
			if plain {
				return s.text[start+1 : i], nil
			}
			var value string
			if json.Unmarshal([]byte(s.text[start:i+1]), &value) != nil {
				return "", errNotJSON
			}
			return value, nil
		}
	}
	return "", errNotJSON
}

// raw reads a value of any kind as it is written.
func (s *scanner) raw(depth int) (string, error) {
	start := s.at
	err := s.skip(depth)
	return s.text[start:s.at], err
}

func (s *scanner) skip(depth int) error {
	if depth > maxJSONDepth {
		return errNotJSON
	}
	switch s.peek() {
	case '{':
		return s.object(func(string) error { return s.skip(depth + 1) })
	case '[':
		return s.array(func(int) error { return s.skip(depth + 1) })
	case '"':
		_, err := s.str()
		return err
	}
	_, err := s.word()
	return err
}

// word reads a number, true, false or null.
func (s *scanner) word() (string, error) {
	start := s.at
	for s.at < len(s.text) && !strings.ContainsRune(" \t\r\n,]}:{[\"", rune(s.text[s.at])) {
		s.at++
	}
	word := s.text[start:s.at]
	if word == "true" || word == "false" || word == "null" {
		return word, nil
	}
	if word == "" || word[0] != '-' && (word[0] < '0' || word[0] > '9') {
		return "", errNotJSON
	}
	if _, err := strconv.ParseFloat(word, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
		return "", errNotJSON
	}
	return word, nil
}
