// Package heapfloor chooses when Go collects garbage: not too often while the heap is small, and before garbage alone reaches a memory limit.
//
// Go collects when the heap has grown by GOGC percent, which is to twice what is live by default. A gateway at rest has some 100 MiB that live and decodes up to 200 MB of
// telemetry a second into garbage: it collects twice a second, and spends a sixth of its CPU on that. With a floor it collects when the heap has reached the floor, or twice
// what is live, whichever is more. A heap that is above the floor costs no more memory than before.
//
// A limiter that refuses data when the heap is too large (memory_limiter of the collector) counts garbage too. A heap of which 280 MiB are live grows to 560 MiB by default: if
// the limit is 500 MiB, the limiter refuses data a quarter of the time although memory is free. With a ceiling Go collects below the limit, as long as what is live leaves a fifth
// of the ceiling for garbage; beyond that a collection frees too little for its cost, and refusing data is right.
package heapfloor

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// least is Go's default, which holds from half of the floor on.
	least = 100
	// tight is the least percentage below a ceiling: four fifths of it may live. A collection at 25 percent costs four times as much for each byte allocated as one at 100.
	tight = 25
	// most bounds the growth of a process that has hardly begun to live.
	most = 1000
	// step is by how many percent a new value differs at least: to set one stops the program for some microseconds.
	step = 10
)

// Bounds are the sizes of a heap, in bytes, between which garbage is collected. The zero value is Go's default.
type Bounds struct {
	// Floor is the least size at which it is collected; 0: twice what is live.
	Floor uint64
	// Ceiling is a size that garbage does not exceed while at most four fifths of it live; 0: none.
	Ceiling uint64
}

// Percent returns the GOGC with which a heap grows to the larger of the floor and twice of live before the next collection, but not beyond the ceiling, in [25, 1000]. roots are
// the bytes of stacks and global variables, to which Go applies GOGC too; sizes are in bytes.
func (b Bounds) Percent(live, roots uint64) int {
	percent := uint64(least)
	if 2*live+roots < b.Floor {
		percent = min((b.Floor-live)*100/max(live+roots, 1), most)
	}
	if b.Ceiling > 0 {
		below := uint64(tight)
		if live < b.Ceiling {
			below = max(below, (b.Ceiling-live)*100/max(live+roots, 1))
		}
		percent = min(percent, below)
	}
	return int(percent)
}

// keeper sets GOGC after each collection.
type keeper struct {
	mu     sync.Mutex
	bounds Bounds // guarded by mu; zero: not kept
	set    int    // guarded by mu; what GOGC is
	armed  bool   // guarded by mu
}

// process keeps the bounds of this process, whose GOGC is one for all.
var process keeper

// Keep makes this process collect its garbage between bounds. They replace earlier ones; zero ends it, and sets GOGC to 100. It needs no goroutine: each collection sets what the
// next one begins at.
func Keep(bounds Bounds) {
	process.mu.Lock()
	defer process.mu.Unlock()
	process.bounds = bounds
	process.adjustLocked()
	if !process.armed && bounds != (Bounds{}) {
		process.armed = true
		process.arm()
	}
}

// mark is what a collection finds to be garbage. It has a pointer, so that it shares its memory with nothing.
type mark struct{ _ *mark }

// arm asks for a call after the next collection.
func (k *keeper) arm() {
	runtime.SetFinalizer(&mark{}, func(*mark) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.adjustLocked()
		if k.armed = k.bounds != (Bounds{}); k.armed {
			k.arm()
		}
	})
}

func (k *keeper) adjustLocked() {
	percent := least
	if k.bounds != (Bounds{}) {
		percent = k.bounds.current()
	}
	if k.set == 0 {
		k.set = least
	}
	if percent > least && max(percent, k.set)-min(percent, k.set) < k.set*step/100 {
		return
	}
	if percent != k.set {
		debug.SetGCPercent(percent)
		k.set = percent
	}
}

// current is the percentage for what is live now.
func (b Bounds) current() int {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(s)
	sizes := [3]uint64{}
	for i := range s {
		if s[i].Value.Kind() == metrics.KindUint64 {
			sizes[i] = s[i].Value.Uint64()
		}
	}
	return b.Percent(sizes[0], sizes[1]+sizes[2])
}
