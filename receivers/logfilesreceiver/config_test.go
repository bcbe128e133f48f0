package logfilesreceiver_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/internal/readmetest"
	"github.com/penstockhq/penstock/receivers/logfilesreceiver"
)

func TestInvalidConfigurations(t *testing.T) {
	for want, change := range map[string]func(*logfilesreceiver.Config){
		"include: at least one":                  func(c *logfilesreceiver.Config) { c.Include = nil },
		`include: "[" is not a valid pattern`:    func(c *logfilesreceiver.Config) { c.Include = []string{"["} },
		`exclude: "{a" is not a valid pattern`:   func(c *logfilesreceiver.Config) { c.Exclude = []string{"{a"} },
		"poll_interval: 0s is not positive":      func(c *logfilesreceiver.Config) { c.PollInterval = 0 },
		"flush_timeout: -1ns is not positive":    func(c *logfilesreceiver.Config) { c.FlushTimeout = -1 },
		"max_record_size: 1 is not between 4096": func(c *logfilesreceiver.Config) { c.MaxRecordSize = 1 },
	} {
		cfg := logfilesreceiver.NewFactory().CreateDefaultConfig().(*logfilesreceiver.Config)
		cfg.Include = []string{"*.log"}
		require.NoError(t, cfg.Validate())
		change(cfg)
		assert.ErrorContains(t, cfg.Validate(), want)
	}
}

func TestTheReadmesExampleIsValid(t *testing.T) {
	readmetest.Load(t, "receivers", logfilesreceiver.NewFactory(), nil)
}
