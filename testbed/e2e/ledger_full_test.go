//go:build full

package e2e

import "testing"

// TestTheLedgerSurvivesManyKills is the long form of TestTheLedgerSurvivesKills.
func TestTheLedgerSurvivesManyKills(t *testing.T) { ledgerUnderKills(t, 40, 60) }
