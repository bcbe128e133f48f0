//go:build full

package e2e

import "testing"

func TestTheLakeInAnObjectStoreSurvivesManyKills(t *testing.T) { killIntoStore(t, 30, 2) }
