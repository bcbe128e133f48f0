package cputime_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/cputime"
)

func TestABenchmarkReportsItsTime(t *testing.T) {
	r := testing.Benchmark(func(b *testing.B) {
		defer cputime.Each(b)()
		for range b.N {
			for begin := cputime.Spent(); cputime.Spent() == begin; {
			}
		}
	})
	require.Positive(t, r.Extra["cpu-ns/op"])
}
