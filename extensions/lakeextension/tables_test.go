package lakeextension

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestWrongSettingsOfTables(t *testing.T) {
	for want, change := range map[string]func(*TablesConfig){
		"every: must be 0 (no tables) or at least 1s, got 10ms": func(c *TablesConfig) { c.Every = 10 * time.Millisecond },
		"sweep: 1s is less than every, 30s":                     func(c *TablesConfig) { c.Sweep = time.Second },
		"keep_snapshots: must be at least 1m, got 1s":           func(c *TablesConfig) { c.KeepSnapshots = time.Second },
	} {
		c := createDefaultConfig().(*Config)
		assert.NoError(t, c.Tables.Validate())
		change(&c.Tables)
		assert.EqualError(t, c.Tables.Validate(), want)
		c.Tables.Every = 0
		assert.NoError(t, c.Tables.Validate())
	}
}
