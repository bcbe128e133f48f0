package repeat

// Few makes p forget after n to 2n points.
func (p *Points) Few(n int) { p.ending = n }
