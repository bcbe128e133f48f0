//go:build full

package edge

import "testing"

func TestAGatewayWithoutKafkaIsKilledSixtyTimes(t *testing.T) { gatewayUnderKills(t, 60) }
