package disktest

import "io"

type file struct {
	fs   *FS
	node *node
	name string
}

func (f *file) ReadAt(p []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.check(Reads, f.name); err != nil {
		return 0, err
	}
	if at >= int64(len(f.node.now)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.now[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n := len(p)
	err := f.fs.check(Write, f.name)
	if err != nil {
		n = f.fs.rng.IntN(n + 1)
	}
	if n > 0 {
		f.change(change{at, append([]byte{}, p[:n]...)})
	}
	return n, err
}

func (f *file) change(c change) {
	f.node.now = c.apply(f.node.now)
	f.node.pending = append(f.node.pending, c)
}

func (f *file) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.check(Other, f.name); err != nil {
		return err
	}
	f.change(change{at: size})
	return nil
}

func (f *file) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.check(Sync, f.name)
	if err == nil { // Data that an earlier failure dropped stays lost.
		for _, c := range f.node.pending {
			f.node.durable = c.apply(f.node.durable)
		}
	} else if f.fs.rng.IntN(2) == 0 && !f.fs.dead { // Half of the time a part is written.
		for _, c := range f.node.pending[:f.fs.rng.IntN(len(f.node.pending)+1)] {
			f.node.durable = c.apply(f.node.durable)
		}
	}
	f.node.pending = nil
	return err
}

func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.node.now)), nil
}

func (f *file) Close() error { return nil }

// change is a write, or a truncation if data is nil.
type change struct {
	at   int64
	data []byte
}

func (c change) apply(to []byte) []byte {
	if c.data == nil {
		if c.at <= int64(len(to)) {
			return to[:c.at:c.at]
		}
		return append(to[:len(to):len(to)], make([]byte, c.at-int64(len(to)))...)
	}
	end := c.at + int64(len(c.data))
	out := make([]byte, max(end, int64(len(to))))
	copy(out, to)
	copy(out[c.at:], c.data)
	return out
}
