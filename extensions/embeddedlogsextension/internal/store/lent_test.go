package store_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/lenttest"
)

// The texts of a record can share the memory of a request, as those of the journal do. The store keeps none of it, while rows wait for others either.
func TestAddedRowsKeepNoText(t *testing.T) {
	s := open(t, t.TempDir())
	ld, memory := lenttest.Logs()
	_, err := s.AddLogs(t.Context(), ld, at("acme", 1))
	require.NoError(t, err)
	lenttest.Forgotten(t, memory)
	runtime.KeepAlive(s)
}
