// Package console opens the console of the built binary in a headless Chromium, and looks at every view: with data, empty, with a dead sink,
// as a tenant, light and dark, wide and 500 pixels narrow. With -args -screenshots DIR it writes what it sees.
package console
