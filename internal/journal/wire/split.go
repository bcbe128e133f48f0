package wire

// Split divides msg along path such that no piece is longer than limit bytes, and keeps the order of items. Pieces are as even as halving makes
// them. Items that don't fit alone, with their enclosing messages, are returned in tooLarge, each as a separate message.
func Split(msg []byte, path Path, limit int) (pieces, tooLarge [][]byte, err error) {
	if len(msg) <= limit {
		return [][]byte{msg}, nil, nil
	}
	items := 0
	if _, _, err := Group(msg, path, func(Item) struct{} { items++; return struct{}{} }); err != nil {
		return nil, nil, err
	}
	switch items {
	case 0:
		return nil, nil, nil
	case 1:
		return nil, [][]byte{msg}, nil
	}
	at := 0
	_, halves, err := Group(msg, path, func(Item) bool { at++; return at <= items/2 })
	if err != nil {
		return nil, nil, err
	}
	for _, half := range halves {
		p, large, err := Split(half, path, limit)
		if err != nil {
			return nil, nil, err
		}
		pieces, tooLarge = append(pieces, p...), append(tooLarge, large...)
	}
	return pieces, tooLarge, nil
}
