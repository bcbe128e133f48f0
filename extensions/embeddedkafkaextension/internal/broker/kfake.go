package broker

// adoptKfake takes over a directory that an earlier version has written.
func (b *Broker) adoptKfake() error { return nil }
