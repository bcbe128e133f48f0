//go:build !full

package rollup_test

// seeds is how many random worlds there are; with the build tag full there are many more.
const seeds = 80
