package udpstat_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstockhq/penstock/extensions/udpdropsextension/internal/udpstat"
)

const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"

func TestParse(t *testing.T) {
	sockets, err := udpstat.Parse(strings.NewReader(heading +
		" 1042: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 31337 2 00000000a1b2c3d4 17\n" +
		" 1043: 0100007F:D431 08080808:0035 01 00000000:00000000 00:00000000 00000000     0        0 31338 2 00000000a1b2c3d5 0\n" +
		"  333: 00000000000000000000000001000000:1FBD 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 9 2 00 5\n"))
	require.NoError(t, err)
	assert.Equal(t, []udpstat.Socket{
		{Local: netip.MustParseAddrPort("127.0.0.1:8125"), Inode: 31337, Drops: 17},
		{Local: netip.MustParseAddrPort("127.0.0.1:54321"), Connected: true, Inode: 31338},
		{Local: netip.MustParseAddrPort("[::1]:8125"), Inode: 9, Drops: 5},
	}, sockets)
}

func TestParseRefuses(t *testing.T) {
	for name, line := range map[string]string{
		"too short": "1: 0100007F:1FBD 00000000:0000",
		"address":   "1: 0100007:1FBD 00000000:0000 07 0:0 0:0 0 0 0 1 2 0 3",
		"no port":   "1: 0100007F 00000000:0000 07 0:0 0:0 0 0 0 1 2 0 3",
		"port":      "1: 0100007F:1FBDD 00000000:0000 07 0:0 0:0 0 0 0 1 2 0 3",
		"odd size":  "1: 0100007F0100007F:1FBD 00000000:0000 07 0:0 0:0 0 0 0 1 2 0 3",
		"inode":     "1: 0100007F:1FBD 00000000:0000 07 0:0 0:0 0 0 0 x 2 0 3",
		"drops":     "1: 0100007F:1FBD 00000000:0000 07 0:0 0:0 0 0 0 1 2 0 -3",
	} {
		_, err := udpstat.Parse(strings.NewReader(heading + line + "\n"))
		assert.ErrorIs(t, err, udpstat.ErrMalformed, name)
	}
}

func Example() {
	sockets, err := udpstat.Parse(strings.NewReader(heading +
		" 1042: 0100007F:1FBD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 31337 2 00000000a1b2c3d4 17\n"))
	if err != nil {
		panic(err)
	}
	fmt.Println(sockets[0].Local, "dropped", sockets[0].Drops)
	// Output: 127.0.0.1:8125 dropped 17
}
