// Package console opens the console of the built binary in a headless Chromium, and checks every view: with data, empty, with a dead sink,
// as a tenant, light and dark, wide and 400 pixels narrow. With -args -screenshots DIR it writes screenshots.
package console
