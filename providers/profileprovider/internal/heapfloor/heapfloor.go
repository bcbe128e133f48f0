// Package heapfloor keeps Go from collecting the garbage of a small heap too often.
//
// Go collects when the heap has grown by GOGC percent, which is to twice what is live by default. A gateway at rest has some 100 MiB that live and decodes up to 200 MB of
// telemetry a second into garbage: it collects twice a second, and spends a sixth of its CPU on that. With a floor it collects when the heap has reached the floor, or twice
// what is live, whichever is more. A heap that is above the floor costs no more memory than before.
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
	// most bounds the growth of a process that has hardly begun to live.
	most = 1000
	// step is by how many percent a new value differs at least: to set one stops the program for some microseconds.
	step = 10
)

// Percent returns the GOGC with which a heap grows to the larger of floor and twice of live before the next collection, in [100, 1000]. roots are the bytes of stacks and global
// variables, to which Go applies GOGC too; sizes are in bytes.
func Percent(live, roots, floor uint64) int {
	if 2*live+roots >= floor {
		return least
	}
	return int(min((floor-live)*100/max(live+roots, 1), most))
}

// keeper sets GOGC after each collection.
type keeper struct {
	mu    sync.Mutex
	floor uint64 // guarded by mu; 0: not kept
	set   int    // guarded by mu; what GOGC is
	armed bool   // guarded by mu
}

// process keeps the floor of this process, whose GOGC is one for all.
var process keeper

// Keep makes floor the least size, in bytes, at which this process collects its garbage. It replaces an earlier floor; 0 ends it, and sets GOGC to 100. It needs no goroutine:
// each collection sets what the next one begins at.
func Keep(floor uint64) {
	process.mu.Lock()
	defer process.mu.Unlock()
	process.floor = floor
	process.adjustLocked()
	if !process.armed && floor > 0 {
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
		if k.armed = k.floor > 0; k.armed {
			k.arm()
		}
	})
}

func (k *keeper) adjustLocked() {
	percent := least
	if k.floor > 0 {
		percent = current(k.floor)
	}
	if k.set == 0 {
		k.set = least
	}
	if percent != least && max(percent, k.set)-min(percent, k.set) < k.set*step/100 {
		return
	}
	if percent != k.set {
		debug.SetGCPercent(percent)
		k.set = percent
	}
}

// current is the percentage for what is live now.
func current(floor uint64) int {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(s)
	sizes := [3]uint64{}
	for i := range s {
		if s[i].Value.Kind() == metrics.KindUint64 {
			sizes[i] = s[i].Value.Uint64()
		}
	}
	return Percent(sizes[0], sizes[1]+sizes[2], floor)
}
