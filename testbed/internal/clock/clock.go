//go:build linux && amd64

// Package clock sets the wall clock of one running Go process only: libfaketime can't, since such a program calls no C library, and
// a time namespace of Linux has no wall clock.
//
// time.now calls the kernel's vDSO through a variable of the runtime. Set writes a few instructions into the unused rest of the page that
// holds the program's ELF header, which is mapped with its code, and lets the variable point to them: they call the vDSO and add seconds to
// its value of CLOCK_REALTIME. The monotonic clock continues, as when an operator sets the clock. It needs a Go program at a fixed address, on Linux and amd64, and
// to be its parent.
package clock

import (
	"bytes"
	"debug/elf"
	"debug/gosym"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
)

// Where the instructions, the address that they call and the seconds that they add are, from the begin of the program. The
// linker puts nothing there: headers stand before, the build id behind. Set checks it.
const (
	codeAt, originalAt, secondsAt = 0xd00, 0xd40, 0xd48
	mustBeZero                    = 0x50
)

// Set moves the wall clock of the process with this id by a whole number of seconds from the true time; 0 sets it right.
func Set(pid int, by time.Duration) error {
	path := fmt.Sprintf("/proc/%d/exe", pid)
	program, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = program.Close() }()
	base, err := firstPage(program)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = memory.Close() }()
	put := func(at uint64, value uint64) error {
		_, err := memory.WriteAt(binary.LittleEndian.AppendUint64(nil, value), int64(at))
		return err
	}
	if err := put(base+secondsAt, uint64(int64(by/time.Second))); err != nil {
		return err
	}
	variable, err := vdsoVariable(program)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var now [8]byte
	if _, err := memory.ReadAt(now[:], int64(variable)); err != nil {
		return err
	}
	switch original := binary.LittleEndian.Uint64(now[:]); original {
	case base + codeAt:
		return nil // a second call
	case 0:
		return errors.New("the program has not asked for the vDSO yet, or has none")
	default:
		if err := put(base+originalAt, original); err != nil {
			return err
		}
	}
	if _, err := memory.WriteAt(code, int64(base+codeAt)); err != nil {
		return err
	}
	return put(variable, base+codeAt)
}

// code is int clock_gettime(clockid_t, struct timespec *). Offsets to originalAt and secondsAt are from the next instruction.
var code = []byte{
	0x57,                   // push rdi
	0x56,                   // push rsi
	0x48, 0x83, 0xec, 0x08, // sub rsp, 8
	0xff, 0x15, 0x34, 0, 0, 0, // call [rip + originalAt]
	0x48, 0x83, 0xc4, 0x08, // add rsp, 8
	0x5e,       // pop rsi
	0x5f,       // pop rdi
	0x85, 0xff, // test edi, edi: CLOCK_REALTIME is 0
	0x75, 0x0a, // jne over the next two
	0x48, 0x8b, 0x0d, 0x2b, 0, 0, 0, // mov rcx, [rip + secondsAt]
	0x48, 0x01, 0x0e, // add [rsi], rcx
	0xc3, // ret
}

// firstPage returns where the program's ELF header is mapped, if it is so with the code and the place for ours is free.
func firstPage(program *elf.File) (uint64, error) {
	for _, p := range program.Progs {
		if p.Type != elf.PT_LOAD || p.Flags&elf.PF_X == 0 || p.Off != 0 {
			continue
		}
		place := make([]byte, mustBeZero)
		if _, err := p.ReadAt(place, codeAt); err != nil {
			return 0, err
		}
		if !bytes.Equal(place, make([]byte, mustBeZero)) {
			return 0, errors.New("something is where the instructions should be")
		}
		return p.Vaddr, nil
	}
	return 0, errors.New("the header is not mapped with the code: not a Go program")
}

// vdsoVariable returns the address of the variable that time.now loads and compares with 0 before it calls it. A stripped program has
// no symbols, but functions are in the table that Go needs itself.
func vdsoVariable(program *elf.File) (uint64, error) {
	text, table := program.Section(".text"), program.Section(".gopclntab")
	if text == nil || table == nil {
		return 0, errors.New("no .text or .gopclntab: not a Go program")
	}
	lines, err := table.Data()
	if err != nil {
		return 0, err
	}
	symbols, err := gosym.NewTable(nil, gosym.NewLineTable(lines, text.Addr))
	if err != nil {
		return 0, err
	}
	f := symbols.LookupFunc("time.now")
	if f == nil {
		return 0, errors.New("no function time.now")
	}
	body := make([]byte, f.End-f.Entry)
	if _, err := text.ReadAt(body, int64(f.Entry-text.Addr)); err != nil {
		return 0, err
	}
	const load = 7 // bytes: mov rax, [rip + 32 bits]
	for i := 0; i+load+4 <= len(body); i++ {
		if bytes.Equal(body[i:i+3], []byte{0x48, 0x8b, 0x05}) && bytes.Equal(body[i+load:i+load+4], []byte{0x48, 0x83, 0xf8, 0x00}) {
			return f.Entry + uint64(i+load) + uint64(int64(int32(binary.LittleEndian.Uint32(body[i+3:])))), nil
		}
	}
	return 0, errors.New("time.now does not call the vDSO as this package knows it: another release of Go")
}
