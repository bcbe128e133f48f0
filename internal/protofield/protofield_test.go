package protofield_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/penstockhq/penstock/internal/protofield"
)

func TestEach(t *testing.T) {
	var message []byte
	message = protowire.AppendBytes(protowire.AppendTag(message, 1, protowire.BytesType), []byte("text"))
	message = protowire.AppendVarint(protowire.AppendTag(message, 2, protowire.VarintType), 300)
	message = protowire.AppendFixed64(protowire.AppendTag(message, 3, protowire.Fixed64Type), 7)
	var all []string
	note := func(number protowire.Number, value []byte, n uint64) error {
		all = append(all, fmt.Sprintf("%d %s %d", number, value, n))
		return nil
	}
	assert.NoError(t, protofield.Each(message, note))
	assert.Equal(t, []string{"1 text 0", "2  300", "3  0"}, all)
	assert.ErrorIs(t, protofield.Each(message[:len(message)-1], note), protofield.ErrValue)
	assert.ErrorIs(t, protofield.Each([]byte{0x80}, note), protofield.ErrTag)
	enough := errors.New("enough")
	assert.Equal(t, enough, protofield.Each(message, func(protowire.Number, []byte, uint64) error { return enough }))
}
