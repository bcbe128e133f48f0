//go:build full

package rollup_test

const seeds = 3000
