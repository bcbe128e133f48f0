package admin

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
)

//go:embed post.js
var postScript string

// Script is the script of a page that sends what may need the admin token: own, which can call
//
//	await post(url, object)
//
// It sends object as JSON and returns status and decoded answer. When the answer is 401 it asks the user for the token once, and keeps
// it in sessionStorage: until the tab is closed, for this origin, in no URL.
type Script struct {
	// Text is the content of the page's script element, without white space around it.
	Text template.JS
	// Policy is the Content-Security-Policy: this script, inline styles and requests to the page's own origin; nothing else.
	Policy string
}

// NewScript returns a page's script.
func NewScript(own string) Script {
	text := postScript + own
	hash := sha256.Sum256([]byte(text))
	return Script{
		Text: template.JS(text), //nolint:gosec // both parts are constants of the program
		Policy: "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; " +
			"script-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'",
	}
}
